// SPDX-License-Identifier: Apache-2.0

// The same events to `_bulk` with Elastic's own client of Elasticsearch (github.com/elastic/go-elasticsearch, its
// BulkIndexer), which retries by itself: 502, 503, 504, 429 and failed connections.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"
)

func bulk() {
	config := elasticsearch.Config{
		Addresses:           []string{*url},
		Username:            *user,
		Password:            *password,
		APIKey:              *apikey,
		CompressRequestBody: *level > 0,
		RetryOnStatus:       []int{429, 502, 503, 504},
		RetryOnError:        nil,
		MaxRetries:          1000,
		RetryBackoff:        func(int) time.Duration { return 100 * time.Millisecond },
	}
	if *ca != "" {
		config.CACert, _ = os.ReadFile(*ca)
	}
	es, err := elasticsearch.NewClient(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err = es.Info(); err != nil { // the product check
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	workers := *pipeline
	if workers == 0 {
		workers = 1
	}
	var refused atomic.Int64
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{
		Client: es, Index: "logs", NumWorkers: workers, FlushBytes: *flush,
		OnError: func(_ context.Context, err error) {
			fmt.Fprintln(os.Stderr, err)
			refused.Add(1)
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := 0; i < *count; i++ {
		body, _ := json.Marshal(event(i))
		indexer.Add(context.Background(), esutil.BulkIndexerItem{
			Action: "create", Body: bytes.NewReader(body),
			OnFailure: func(_ context.Context, _ esutil.BulkIndexerItem, r esutil.BulkIndexerResponseItem, err error) {
				fmt.Fprintln(os.Stderr, r.Status, r.Error.Reason, err)
				refused.Add(1)
			},
		})
	}
	indexer.Close(context.Background())
	stats := indexer.Stats()
	fmt.Println(0, int(stats.NumFlushed)-1)
	if refused.Load() > 0 || stats.NumFlushed != uint64(*count) {
		os.Exit(1)
	}
}
