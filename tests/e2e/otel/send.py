# SPDX-License-Identifier: Apache-2.0
"""Sends numbered records with the real OpenTelemetry SDK for Python, as an application would.

	send.py grpc|http ENDPOINT none|gzip FIRST COUNT [SECONDS]

SECONDS: spread over so many. Ends with 0 when all of them were taken.
"""

import logging
import sys
import time

from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource


def exporter(kind: str, endpoint: str, compression: str):
	if kind == "grpc":
		import grpc
		from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
		how = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}[compression]
		return OTLPLogExporter(endpoint=endpoint, insecure=True, compression=how, timeout=60)
	from opentelemetry.exporter.otlp.proto.http import Compression
	from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
	how = {"none": Compression.NoCompression, "gzip": Compression.Gzip}[compression]
	return OTLPLogExporter(endpoint=endpoint + "/v1/logs", compression=how, timeout=60)


def main() -> None:
	kind, endpoint, compression, first, count = sys.argv[1:6]
	seconds = float(sys.argv[6]) if len(sys.argv) > 6 else 0
	provider = LoggerProvider(resource=Resource.create({"service.name": "sdk", "host.name": "node-1"}))
	provider.add_log_record_processor(BatchLogRecordProcessor(
		exporter(kind, endpoint, compression), schedule_delay_millis=100, max_queue_size=200_000, export_timeout_millis=60_000))
	set_logger_provider(provider)
	log = logging.getLogger("app")
	log.setLevel(logging.INFO)
	log.addHandler(LoggingHandler(logger_provider=provider))
	log.propagate = False
	for i in range(int(first), int(first) + int(count)):
		log.warning("n=%07d", i, extra={"order.id": i})
		if seconds:
			time.sleep(seconds / int(count))
	taken = provider.force_flush(60_000)
	provider.shutdown()
	sys.exit(0 if taken is not False else 1)


main()
