// Verifies what our log wrote, and asks our witness, with the Go code of the transparency-log community alone.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"

	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	witness "github.com/transparency-dev/witness/client/http"
	"golang.org/x/mod/sumdb/note"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	return value
}

// proof FILE ENTRY LOG-VKEY [WITNESS-VKEY ...]: every one of the witnesses must have cosigned.
func prove(args []string) {
	var found proof.TLogProof
	must(0, found.Unmarshal(must(os.ReadFile(args[0]))))
	logKey := must(note.NewVerifier(args[2]))
	var witnesses []note.Verifier
	for _, each := range args[3:] {
		witnesses = append(witnesses, must(fnote.NewVerifierForCosignatureV1(each)))
	}
	checkpoint, _, signed, err := log.ParseCheckpoint(found.Checkpoint, logKey.Name(), logKey, witnesses...)
	must(0, err)
	if len(signed.Sigs) != 1+len(witnesses) {
		must(0, fmt.Errorf("%d signatures", len(signed.Sigs)))
	}
	var path [][]byte
	for _, each := range found.Hashes {
		path = append(path, each[:])
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(must(os.ReadFile(args[1])))
	must(0, merkle.VerifyInclusion(rfc6962.DefaultHasher, found.Index, checkpoint.Size, leaf, path, checkpoint.Hash))
	fmt.Println("proven", found.Index, checkpoint.Size)
}

// submit URL OLD CHECKPOINT [HASH ...]
func submit(args []string) {
	var path [][]byte
	for _, each := range args[3:] {
		path = append(path, must(base64.StdEncoding.DecodeString(each)))
	}
	client := witness.NewWitness(must(url.Parse(args[0])), http.DefaultClient)
	old := must(strconv.ParseUint(args[1], 10, 64))
	body, size, err := client.Update(context.Background(), old, must(os.ReadFile(args[2])), path)
	if err != nil {
		fmt.Println("refused:", err, size)
		os.Exit(1)
	}
	fmt.Print(string(body))
}

// consistency OLD-SIZE OLD-ROOT NEW-SIZE NEW-ROOT [HASH ...], in base64.
func consistency(args []string) {
	decode := func(text string) []byte { return must(base64.StdEncoding.DecodeString(text)) }
	var path [][]byte
	for _, each := range args[4:] {
		path = append(path, decode(each))
	}
	old, size := must(strconv.ParseUint(args[0], 10, 64)), must(strconv.ParseUint(args[2], 10, 64))
	must(0, merkle.VerifyConsistency(rfc6962.DefaultHasher, old, size, path, decode(args[1]), decode(args[3])))
	fmt.Println("consistent")
}

func main() {
	map[string]func([]string){"proof": prove, "submit": submit, "consistency": consistency}[os.Args[1]](os.Args[2:])
}
