#compdef tailrace
# Generated from the tables of commands and options: edit those, then run
# `test_conf_doc --update`.

_tailrace() {
	local -a commands
	local command

	commands=(
		'run:start the agent'
		'check:say everything that is wrong with a configuration'
		'config:print the values in force, and where each came from'
		'doctor:look for what will go wrong on this machine, and say what to type'
		'dry-run:send any amount of lines through one pipeline; the result, and a summary of it'
		'explain:show what each stage of a pipeline does to a line; secrets are hidden'
		'positions:how far files are read; with the agent stopped, change that'
		'redact:remove secrets from a file or stdin, as the stage does; or say where they are'
		'status:what the running agent does\: rates, lag, what is held, what was dropped'
		'top:the same, again and again'
		'tap:look at some of the records that pass a stage, as redaction leaves them'
		'reload:the running agent takes its changed configuration; a wrong one changes nothing'
		'test:run the `tests` of a configuration'
		'dead-letters:what Loki refused for good; replay sends it again, and keeps what is refused again'
		'help:this text; or about a command, an input, a stage or an output'
		'version:print the version'
	)
	if ((CURRENT == 2)); then
		_describe command commands
		return
	fi
	command=$words[2]
	shift words
	((CURRENT--))
	case $command in
	run)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--quickstart[with the demo folder and conf.d/quickstart.yaml]'
		;;
	check)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files'
		;;
	config)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--plain[without the comments that say where values came from]'
		;;
	doctor)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--user=[whom the service runs as (default\: the running agent'\''s, or tailrace)]:NAME: ' \
			'--json[one JSON object a check]' \
			'*:file:_files'
		;;
	dry-run)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--pipeline=[which pipeline, when there are several]:NAME: ' \
			'--input=[from which input the lines seem to come]:NAME: ' \
			'--inputs[read the files of the pipeline'\''s first input, or of --input, once]' \
			'--limit=[stop after so many lines]:N: ' \
			'--format=[how records are printed (default text)]:text|json:(text json)' \
			'--quiet[print no records, only the summary]' \
			'*:file:_files'
		;;
	explain)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--pipeline=[which pipeline, when there are several]:NAME: ' \
			'--input=[from which input the lines seem to come (default the first)]:NAME: ' \
			'--labels=[labels over those of the input]:A=B,..: ' \
			'--json[one JSON object a record]' \
			'*:file:_files'
		;;
	positions)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--state-dir=[instead of the one the configuration names]:DIR:_files' \
			'--input=[only of this input; needed to set a file no input has met]:NAME: ' \
			'--offset=[set\: bytes, `beginning` or `end`; moved back to where a line begins]:N: ' \
			'--dry-run[say what would be changed]' \
			'--format=[list\: how it is printed (default text)]:text|json:(text json)' \
			'1:what:(list set forget)' \
			'*:file:_files'
		;;
	redact)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--pipeline=[whose redact stages, when there are several pipelines]:NAME: ' \
			'--explain[say which detector finds something where, and how often]' \
			'--json[with --explain\: one JSON object a hit]' \
			'*:file:_files'
		;;
	status)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--socket=[the agent'\''s control socket (default\: of the configuration)]:PATH: ' \
			'--json[everything as one JSON object]'
		;;
	top)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--socket=[the agent'\''s control socket (default\: of the configuration)]:PATH: ' \
			'--interval=[between two looks (default 2s)]:TIME: ' \
			'--once[one look, as `status`]'
		;;
	tap)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--socket=[the agent'\''s control socket (default\: of the configuration)]:PATH: ' \
			'--pipeline=[which pipeline, when there are several]:NAME: ' \
			'--stage=[which stage, by the number that `status` shows, or by name (default\: the whole pipeline)]:N|NAME: ' \
			'--before[what goes in, not what comes out]' \
			'--rate=[records a second at most, 1 to 1000 (default 10)]:N: ' \
			'--limit=[stop after so many records]:N: ' \
			'--json[one JSON object a record]'
		;;
	reload)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--socket=[the agent'\''s control socket (default\: of the configuration)]:PATH: '
		;;
	test)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--run=[only this test]:NAME: ' \
			'--junit=[write a report in JUnit'\''s XML, too]:FILE:_files' \
			'*:file:_files'
		;;
	dead-letters)
		_arguments '(- *)--help[this command]' \
			'--config=[main file, or its folder (default /etc/tailrace/tailrace.yaml)]:FILE|DIR:_files' \
			'--format=[list\: how they are printed (default text)]:text|json:(text json)' \
			'1:what:(list replay)' \
			'*:file:_files'
		;;
	help)
		_arguments '(- *)--help[this command]' \
			'1:what:(run check config doctor dry-run explain positions redact status top tap reload test dead-letters help version beats elasticsearch file loki otlp syslog cri decolorize dedup docker drop eventlogmessage geoip json keep label_drop label_keep labels level limit logfmt match metrics multiline output pack redact regex replace sampling static_labels structured_metadata structured_metadata_drop template tenant timestamp unpack loki stdout file agent pipeline tests)' \
			'*:file:_files'
		;;
	version)
		_arguments '(- *)--help[this command]'
		;;
	esac
}

_tailrace "$@"
