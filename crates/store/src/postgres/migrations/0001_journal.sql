-- The journal of every book: who may append, and what was appended.
-- Text is compared byte by byte (collate "C"), so that no index depends on the system's locale.

create table wayleave_journal.epoch (
  book text collate "C" primary key check (book ~ '^[A-Za-z0-9._@:+-]{1,48}$'),
  newest bigint not null check (newest >= 0),
  run bytea not null check (octet_length(run) = 16),
  claimed_at timestamptz not null default now()
);

create table wayleave_journal.batch (
  book text collate "C" not null,
  first bigint not null check (first >= 0),
  next bigint not null check (next > first),
  epoch bigint not null check (epoch > 0),
  previous bytea not null check (octet_length(previous) = 32),
  digest bytea not null check (octet_length(digest) = 32),
  stamp bigint not null check (stamp > 0),
  bytes bytea not null check (octet_length(bytes) > 0),
  primary key (book, first)
);

-- Batches hold digests and sealed payloads: compressing them costs time and gains nothing.
alter table wayleave_journal.batch alter column bytes set storage external;

create function wayleave_journal.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'a journal is only appended to' using errcode = 'restrict_violation';
end
$$;

create trigger batch_is_only_appended_to
before update or delete on wayleave_journal.batch
for each row execute function wayleave_journal.refuse_change();

create trigger batch_is_never_emptied
before truncate on wayleave_journal.batch
for each statement execute function wayleave_journal.refuse_change();
