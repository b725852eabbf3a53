# Generated from the tables of commands and options: edit those, then run
# `test_conf_doc --update`.

_tailrace()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local flags='' words=''

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W 'run check config doctor dry-run explain positions redact status top tap reload test dead-letters help version --help --version' -- "$cur"))
		return
	fi
	case ${COMP_WORDS[1]}$prev in
	run--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	check--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	config--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	doctor--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	doctor--user)
		return
		;;
	dry-run--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	dry-run--pipeline)
		return
		;;
	dry-run--input)
		return
		;;
	dry-run--limit)
		return
		;;
	dry-run--format)
		COMPREPLY=($(compgen -W 'text json' -- "$cur"))
		return
		;;
	explain--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	explain--pipeline)
		return
		;;
	explain--input)
		return
		;;
	explain--labels)
		return
		;;
	positions--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	positions--state-dir)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	positions--input)
		return
		;;
	positions--offset)
		return
		;;
	positions--format)
		COMPREPLY=($(compgen -W 'text json' -- "$cur"))
		return
		;;
	redact--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	redact--pipeline)
		return
		;;
	status--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	status--socket)
		return
		;;
	top--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	top--socket)
		return
		;;
	top--interval)
		return
		;;
	tap--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	tap--socket)
		return
		;;
	tap--pipeline)
		return
		;;
	tap--stage)
		return
		;;
	tap--rate)
		return
		;;
	tap--limit)
		return
		;;
	reload--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	reload--socket)
		return
		;;
	test--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	test--run)
		return
		;;
	test--junit)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	dead-letters--config)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	dead-letters--format)
		COMPREPLY=($(compgen -W 'text json' -- "$cur"))
		return
		;;
	esac
	case ${COMP_WORDS[1]} in
	run)
		flags='--config --quickstart --help'
		;;
	check)
		flags='--config --help'
		;;
	config)
		flags='--config --plain --help'
		;;
	doctor)
		flags='--config --user --json --help'
		;;
	dry-run)
		flags='--config --pipeline --input --inputs --limit --format --quiet --help'
		;;
	explain)
		flags='--config --pipeline --input --labels --json --help'
		;;
	positions)
		flags='--config --state-dir --input --offset --dry-run --format --help'
		words='list set forget'
		;;
	redact)
		flags='--config --pipeline --explain --json --help'
		;;
	status)
		flags='--config --socket --json --help'
		;;
	top)
		flags='--config --socket --interval --once --help'
		;;
	tap)
		flags='--config --socket --pipeline --stage --before --rate --limit --json --help'
		;;
	reload)
		flags='--config --socket --help'
		;;
	test)
		flags='--config --run --junit --help'
		;;
	dead-letters)
		flags='--config --format --help'
		words='list replay'
		;;
	help)
		flags='--help'
		words='run check config doctor dry-run explain positions redact status top tap reload test dead-letters help version beats elasticsearch file loki otlp syslog cri decolorize dedup docker drop eventlogmessage geoip json keep label_drop label_keep labels level limit logfmt match metrics multiline output pack redact regex replace sampling static_labels structured_metadata structured_metadata_drop template tenant timestamp unpack loki stdout file agent pipeline tests'
		;;
	version)
		flags='--help'
		;;
	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$flags" -- "$cur"))
	elif [ "$COMP_CWORD" -eq 2 ] && [ -n "$words" ]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	else
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
}
complete -o filenames -F _tailrace tailrace
