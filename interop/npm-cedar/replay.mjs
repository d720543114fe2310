// Replays exported decisions with @cedar-policy/cedar-wasm and compares decision, determining
// policies and errors of each chapter with what Wayleave's engine answered.
//
//   node replay.mjs DIRECTORY        exit 0 all equal, 1 some differ, 2 nothing to replay
//
// With --canary each answer is falsified first: then every file must differ.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";

const cedar = createRequire(import.meta.url)("@cedar-policy/cedar-wasm/nodejs");
const [directory, flag] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node replay.mjs DIRECTORY [--canary]");
  process.exit(2);
}

function replay(exported, chapter) {
  const answer = cedar.isAuthorized({
    principal: chapter.principal,
    action: chapter.action,
    resource: chapter.resource,
    context: chapter.context,
    schema: exported.schema,
    validateRequest: true,
    policies: chapter.policies,
    entities: exported.entities,
  });
  if (answer.type !== "success") return { failure: answer.errors };
  const { decision, diagnostics } = answer.response;
  return {
    decision,
    determining: [...diagnostics.reason].sort(),
    errors: diagnostics.errors.length,
  };
}

function expected(chapter) {
  const { decision, determining, errors } = chapter.answer;
  const told = flag === "--canary" ? (decision === "allow" ? "deny" : "allow") : decision;
  return { decision: told, determining: [...determining].sort(), errors: errors.length };
}

const files = readdirSync(directory).filter((name) => name.endsWith(".json")).sort();
let differing = 0;
let chapters = 0;
for (const name of files) {
  const exported = JSON.parse(readFileSync(join(directory, name), "utf8"));
  chapters += exported.chapters.length;
  for (const chapter of exported.chapters) {
    const [want, got] = [expected(chapter), replay(exported, chapter)].map((x) => JSON.stringify(x));
    if (want !== got) {
      differing += 1;
      if (flag !== "--canary") console.log(`MISMATCH ${name} ${chapter.name}: ${want} / ${got}`);
    }
  }
}
console.log(`${cedar.getCedarVersion()}: ${files.length} decisions, ${chapters} answers, ${differing} differ`);
if (files.length === 0) process.exit(2);
process.exit((flag === "--canary" ? differing === chapters : differing === 0) ? 0 : 1);
