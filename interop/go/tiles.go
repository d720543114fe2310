// Reads a tlog-tiles directory of ours with golang.org/x/mod/sumdb, which nobody in this project
// wrote: tiles LOG_VKEY DIR. Proves every 97th entry, the first of each tile, and some older trees out
// of the tiles alone.
// Exit 0 when all holds, 1 when not.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
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

type files struct{ dir string }

func (files) Height() int { return 8 }

// Go writes the height into the path, C2SP does not.
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		bytes, err := os.ReadFile(filepath.Join(f.dir, path))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (files) SaveTiles([]tlog.Tile, [][]byte) {}

func verify(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: tiles LOG_VKEY DIR")
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(args[0]))
	if err != nil {
		return err
	}
	store := files{args[1]}
	checkpoint, err := os.ReadFile(filepath.Join(store.dir, "checkpoint"))
	if err != nil {
		return err
	}
	signed, err := note.Open(checkpoint, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return fmt.Errorf("not this log's checkpoint")
	}
	var size int64
	if _, err := fmt.Sscanf(lines[1], "%d", &size); err != nil {
		return err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, store)
	return checkAll(reader, store, size, root)
}

func checkAll(reader tlog.HashReader, store files, size int64, root tlog.Hash) error {
	proved := 0
	for index := int64(0); index < size; index++ {
		if index%97 != 0 && index%256 != 0 {
			continue
		}
		entry, err := store.entry(index, size)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveRecord(size, index, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d: %v", index, err)
		}
		proved++
	}
	for _, old := range []int64{1, 255, 256, 300, 65000, 65536, size} {
		if old > size {
			continue
		}
		older, err := tlog.TreeHash(old, reader)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(size, old, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, size, root, old, older); err != nil {
			return fmt.Errorf("tree of %d: %v", old, err)
		}
	}
	fmt.Println(proved, "entries of", size)
	return nil
}

// The entry out of its bundle, each after its length in two bytes.
func (f files) entry(index, size int64) ([]byte, error) {
	tile := tlog.TileForIndex(8, tlog.StoredHashIndex(0, index))
	tile.W = 256
	if left := size - tile.N*256; left < 256 {
		tile.W = int(left)
	}
	path := "tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/")
	bundle, err := os.ReadFile(filepath.Join(f.dir, path))
	if err != nil {
		return nil, err
	}
	var entry []byte
	for n := int64(0); n <= index%256; n++ {
		if len(bundle) < 2 {
			return nil, fmt.Errorf("%s is too short", path)
		}
		length := int(binary.BigEndian.Uint16(bundle))
		if len(bundle) < 2+length {
			return nil, fmt.Errorf("%s is too short", path)
		}
		entry, bundle = bundle[2:2+length], bundle[2+length:]
	}
	return entry, nil
}
