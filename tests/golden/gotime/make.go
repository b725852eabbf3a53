// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Makes times.tsv with Go's own time package and Promtail's rules for layouts without a year:
//
//	TZ=UTC go run make.go > times.tsv
//
// Columns: format, location ("-" for none), now (RFC 3339), text, nanoseconds or "x".
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/big"
	"math/rand"
	"os"
	"strings"
	"time"
)

var named = map[string]string{
	"ANSIC": time.ANSIC, "UnixDate": time.UnixDate, "RubyDate": time.RubyDate,
	"RFC822": time.RFC822, "RFC822Z": time.RFC822Z, "RFC850": time.RFC850,
	"RFC1123": time.RFC1123, "RFC1123Z": time.RFC1123Z, "RFC3339": time.RFC3339,
	"RFC3339Nano": time.RFC3339Nano,
}

var formats = []string{
	"ANSIC", "UnixDate", "RubyDate", "RFC822", "RFC822Z", "RFC850", "RFC1123", "RFC1123Z",
	"RFC3339", "RFC3339Nano",
	"2006-01-02 15:04:05", "2006-01-02 15:04:05,000", "2006-01-02 15:04:05.999999",
	"2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05.000000Z07:00", "2006/01/02 15:04:05",
	"02/Jan/2006:15:04:05 -0700", "Jan 02 2006 15:04:05", "January 2, 2006 3:04:05 PM MST",
	"Monday 2 January 2006 03:04pm", "20060102150405", "20060102T150405.000Z0700",
	"06-1-2 3:4:5 PM", "2006-002 15:04", "2006 __2 15", "_2 Jan 2006 15:04:05.000",
	"2006-01-02 15:04:05 -07", "2006-01-02 15:04:05 -07:00:00", "2006-01-02 15:04:05 Z070000",
	"2006-01-02 15:04:05 MST", "2006-01-02  15:04:05", "[2006-01-02T15:04:05Z]", "_2006_01_02",
	"Jan  2 15:04:05", "Jan _2 15:04:05", "Jan _2 15:04:05.000", "01-02 15:04:05.000",
	"02 January 15:04", "15:04:05", "__2 15:04", "Mon Jan 2 15:04:05 -0700",
}

var locations = []string{"-", "-", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata",
	"Australia/Sydney", "America/St_Johns"}

var nows = []string{"2025-06-15T12:00:00Z", "2025-01-01T00:30:00Z", "2024-12-31T12:00:00Z",
	"2024-02-29T10:00:00Z"}

func parse(format, location, text string, now time.Time) (time.Time, error) {
	layout, ok := named[format]
	if ok {
		return time.Parse(layout, text)
	}
	where := time.UTC
	parsed := time.Time{}
	var err error
	if location == "-" {
		parsed, err = time.Parse(format, text)
	} else {
		where, _ = time.LoadLocation(location)
		parsed, err = time.ParseInLocation(format, text, where)
	}
	if err != nil || strings.Contains(format, "06") {
		return parsed, err
	}
	if parsed.Year() != 0 {
		return parsed, fmt.Errorf("has a year")
	}
	// Here the month of now is the location's, not the process's.
	now = now.In(where)
	year := now.Year()
	if parsed.Month() == 12 && now.Month() == 1 {
		year--
	} else if parsed.Month() == 1 && now.Month() == 12 {
		year++
	}
	return parsed.AddDate(year, 0, 0), nil
}

func mutate(r *rand.Rand, text string) string {
	const alphabet = "0123456789  ::--+.,TZAPMapmJanFebUTCGSx"
	b := []byte(text)
	for n := 1 + r.Intn(2); n > 0 && len(b) > 0; n-- {
		i := r.Intn(len(b))
		c := alphabet[r.Intn(len(alphabet))]
		switch r.Intn(4) {
		case 0:
			b = append(b[:i], b[i+1:]...)
		case 1:
			b[i] = c
		case 2:
			b = append(b[:i], append([]byte{c}, b[i:]...)...)
		case 3:
			if b[i] >= '0' && b[i] <= '9' {
				b[i] = byte('0' + r.Intn(10))
			}
		}
	}
	return string(b)
}

func sample(r *rand.Rand) time.Time {
	seconds := r.Int63n(68*365*86400) - 86400
	switch r.Intn(5) {
	case 0: // close to a change of summer time in Berlin or New York
		changes := []int64{1711846800, 1729990800, 1710054000, 1730613600, 4109878800}
		seconds = changes[r.Intn(len(changes))] + r.Int63n(6*3600) - 3*3600
	case 1: // beyond the changes that files list
		seconds = r.Int63n(200 * 365 * 86400)
	}
	ns := []int64{0, 123456789, 500000000, 120000, r.Int63n(1000000000)}[r.Intn(5)]
	return time.Unix(seconds, ns)
}

func main() {
	n := flag.Int("n", 24, "rows per format")
	seed := flag.Int64("seed", 1, "of the random numbers")
	flag.Parse()
	r := rand.New(rand.NewSource(*seed))
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, format := range formats {
		for i := 0; i < *n; i++ {
			location := locations[r.Intn(len(locations))]
			layout := format
			if l, ok := named[format]; ok {
				layout = l
			}
			where := time.UTC
			if r.Intn(2) == 0 {
				where, _ = time.LoadLocation(locations[2+r.Intn(len(locations)-2)])
			}
			text := sample(r).In(where).Format(layout)
			if r.Intn(2) == 0 {
				text = mutate(r, text)
			}
			now := nows[r.Intn(len(nows))]
			at, _ := time.Parse(time.RFC3339, now)
			got, err := parse(format, location, text, at)
			result := "x"
			if err == nil {
				ns := new(big.Int).Mul(big.NewInt(got.Unix()), big.NewInt(1e9))
				ns.Add(ns, big.NewInt(int64(got.Nanosecond())))
				if ns.IsInt64() {
					result = ns.String()
				}
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", format, location, now, text, result)
		}
	}
}
