// Checks a tlog-proof of ours with golang.org/x/mod/sumdb, which nobody in this project wrote:
// verify LOG_VKEY ENTRY_FILE PROOF_FILE. Exit 0 when it holds, 1 when not.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := verify(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func verify(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: verify LOG_VKEY ENTRY_FILE PROOF_FILE")
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(args[0]))
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	proof, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(proof), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	signed, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	text := strings.Split(signed.Text, "\n")
	if len(text) != 4 || text[0] != verifier.Name() {
		return fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(text[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(text[2])
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(path, size, root, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("accepted: index %d of %d, %s\n", index, size, verifier.Name())
	return nil
}
