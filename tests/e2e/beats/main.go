// SPDX-License-Identifier: Apache-2.0

// Sends numbered events with Elastic's own client of the Lumberjack protocol (github.com/elastic/go-lumber), as the
// Logstash output of the Beats does: windows, compression, TLS, one window after the other or several on their way, and
// what was not acknowledged again, for as long as it takes. Each window that was acknowledged is a line on stdout:
// its first and last number.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	client "github.com/elastic/go-lumber/client/v2"
)

var (
	addr     = flag.String("addr", "127.0.0.1:5044", "where to")
	count    = flag.Int("count", 1000, "events")
	window   = flag.Int("window", 2048, "events of a window")
	level    = flag.Int("compression", 3, "0 to 9")
	pipeline = flag.Int("pipelining", 0, "windows on their way at once; 0: the synchronous client")
	pad      = flag.Int("pad", 0, "more bytes in each message")
	timeout  = flag.Duration("timeout", 30*time.Second, "for an answer")
	ca       = flag.String("ca", "", "PEM file; TLS")
	cert     = flag.String("cert", "", "PEM file with certificate and key of the client")
	source   = flag.String("source", "a", "in front of the numbers")
	start    = flag.Int64("start", time.Now().UnixMilli()-60_000, "time of the first event, in ms")
	pause    = flag.Duration("pause", 0, "between windows")
	url      = flag.String("url", "", "of an Elasticsearch, in place of -addr")
	user     = flag.String("user", "", "for it")
	password = flag.String("password", "", "for it")
	apikey   = flag.String("apikey", "", "for it")
	flush    = flag.Int("flush", 1<<20, "bytes of a request to it")
)

func event(i int) map[string]interface{} {
	at := time.UnixMilli(*start + int64(i)).UTC()
	return map[string]interface{}{
		"@timestamp": at.Format("2006-01-02T15:04:05.000Z"),
		"@metadata":  map[string]interface{}{"beat": "filebeat", "type": "_doc", "version": "8.19.0"},
		"message":    fmt.Sprintf("%s n=%07d %s", *source, i, strings.Repeat("x", *pad)),
		"log":        map[string]interface{}{"offset": i * 100, "file": map[string]interface{}{"path": "/var/log/" + *source + ".log"}},
		"host":       map[string]interface{}{"name": "web-1"},
		"agent":      map[string]interface{}{"type": "filebeat", "version": "8.19.0", "id": "0f3f6b7e-5e4b-4a6c-8a3a-0f3f6b7e5e4b"},
		"input":      map[string]interface{}{"type": "filestream"},
		"ecs":        map[string]interface{}{"version": "8.0.0"},
		"kubernetes": map[string]interface{}{"namespace": "shop", "pod": map[string]interface{}{"name": "cart-0"},
			"container": map[string]interface{}{"name": "cart"}},
	}
}

func dial(network, address string) (net.Conn, error) {
	if *ca == "" {
		return net.DialTimeout(network, address, 5*time.Second)
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	config.RootCAs.AppendCertsFromPEM(pem)
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *cert)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, network, address, config)
}

func batch(first int) []interface{} {
	events := []interface{}{}
	for i := first; i < *count && len(events) < *window; i++ {
		events = append(events, event(i))
	}
	return events
}

func failed(err error) {
	fmt.Fprintln(os.Stderr, err)
	time.Sleep(100 * time.Millisecond)
}

func acked(first, n int) {
	fmt.Println(first, first+n-1)
}

// One window after the other; a failed one again on a new connection, from the last event acknowledged.
func synchronous() {
	for next := 0; next < *count; {
		c, err := client.SyncDialWith(dial, *addr, client.CompressionLevel(*level), client.Timeout(*timeout))
		for err == nil && next < *count {
			var n int
			n, err = c.Send(batch(next))
			if n > 0 {
				acked(next, n)
			}
			next += n
			time.Sleep(*pause)
		}
		if err != nil {
			failed(err)
		}
		if c != nil {
			c.Close()
		}
	}
}

// Several windows on their way; after a failure again from the first that is missing.
func asynchronous() {
	for next := 0; next < *count; {
		c, err := client.AsyncDialWith(dial, *addr, *pipeline, client.CompressionLevel(*level), client.Timeout(*timeout))
		if err != nil {
			failed(err)
			continue
		}
		var lock sync.Mutex // of next and err
		var waiting sync.WaitGroup
		hasFailed := func() bool {
			lock.Lock()
			defer lock.Unlock()
			return err != nil
		}
		for first := next; first < *count && !hasFailed(); {
			at, events := first, batch(first)
			waiting.Add(1)
			done := sync.OnceFunc(waiting.Done) // a Send that fails may call back, too
			sendErr := c.Send(func(seq uint32, windowErr error) {
				defer done()
				lock.Lock()
				defer lock.Unlock()
				if at == next && seq > 0 { // else it is behind one that failed
					acked(at, int(seq))
					next += int(seq)
				}
				if windowErr != nil {
					err = windowErr
				}
			}, events)
			if sendErr != nil {
				done()
				lock.Lock()
				err = sendErr
				lock.Unlock()
			}
			first += len(events)
			time.Sleep(*pause)
		}
		waiting.Wait()
		c.Close()
		if err != nil {
			failed(err)
		}
	}
}

func main() {
	flag.Parse()
	if *url != "" {
		bulk()
	} else if *pipeline > 0 {
		asynchronous()
	} else {
		synchronous()
	}
}
