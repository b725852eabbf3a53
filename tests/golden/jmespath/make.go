// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Evaluates expressions on document.json with go-jmespath v0.4.0. Rows of results.tsv: expression and
// result as JSON, or !parse or !run for what fails when. To add a row, write the expression alone on a
// line and run:
//
//	cut -f 1 results.tsv | go run make.go > new && mv new results.tsv
//
// in a module that requires github.com/jmespath/go-jmespath v0.4.0.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/jmespath/go-jmespath"
)

// The document is read for each expression: sort_by() sorts what it is given, in place.
func run(expression string, text []byte) (result string) {
	var document interface{}
	if err := json.Unmarshal(text, &document); err != nil {
		panic(err)
	}
	j, err := jmespath.Compile(expression)
	if err != nil {
		return "!parse"
	}
	defer func() {
		if recover() != nil {
			result = "!run"
		}
	}()
	value, err := j.Search(document)
	if err != nil {
		return "!run"
	}
	encoded, _ := json.Marshal(value)
	return string(encoded)
}

func main() {
	text, err := os.ReadFile("document.json")
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Printf("%s\t%s\n", lines.Text(), run(lines.Text(), text))
	}
}
