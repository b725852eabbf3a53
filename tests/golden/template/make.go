// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Runs templates with Go's text/template, sprig v3.3.0 and Promtail's own functions. Rows of
// results.tsv: template and result, or !parse or !run for what is refused when. ⏎ stands for a line
// feed, ⇥ for a tab. To add a row, write the template alone on a line and run:
//
//	cut -f 1 results.tsv | go run make.go > new && mv new results.tsv
//
// in a module that requires github.com/Masterminds/sprig/v3 v3.3.0 and golang.org/x/crypto.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"golang.org/x/crypto/sha3"
)

var functions = template.FuncMap{
	"ToLower": strings.ToLower, "ToUpper": strings.ToUpper, "Replace": strings.Replace,
	"Trim": strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight,
	"TrimPrefix": strings.TrimPrefix, "TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace,
	"Hash": func(salt, input string) string {
		h := sha3.Sum256([]byte(salt + input))
		return hex.EncodeToString(h[:])
	},
	"Sha2Hash": func(salt, input string) string {
		h := sha256.Sum256([]byte(salt + input))
		return hex.EncodeToString(h[:])
	},
	"regexReplaceAll": func(re, s, with string) string {
		return regexp.MustCompile(re).ReplaceAllString(s, with)
	},
	"regexReplaceAllLiteral": func(re, s, with string) string {
		return regexp.MustCompile(re).ReplaceAllLiteralString(s, with)
	},
	"now": func() time.Time { return time.Unix(1700000000, 123456789).UTC() },
}

// The same as in test_template.c.
var data = map[string]interface{}{
	"a": "Hello, World", "b": "", "n": "42", "f": "3.75",
	"j": `{"k":[1,2.5,"x",null,true],"o":{"p":"<q>"}}`, "u": "Grüße, Ωmega",
	"path": "/var/log/../lib//x.tar.gz", "Value": "  val ue  ", "t": "2026-11-21T10:20:30Z",
	"csv": "a,b,,c", "my-key": "dash",
}

func run(text string, all template.FuncMap) (result string) {
	var out bytes.Buffer

	t, err := template.New("t").Funcs(all).Parse(text)
	if err != nil {
		return "!parse"
	}
	defer func() {
		if recover() != nil {
			result = "!run"
		}
	}()
	if t.Execute(&out, data) != nil {
		return "!run"
	}
	return out.String()
}

func main() {
	time.Local = time.UTC
	all := template.FuncMap(sprig.GenericFuncMap())
	for name, f := range functions {
		all[name] = f
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		result := run(strings.ReplaceAll(lines.Text(), "⏎", "\n"), all)
		fmt.Printf("%s\t%s\n", lines.Text(), strings.NewReplacer("\n", "⏎", "\t", "⇥").Replace(result))
	}
}
