# bash completion for spiffe-sds(8)
_spiffe_sds() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options='--help'
  local serving='--config --workload-api --listen --admin --log-level --log-format'
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W 'trace debug info warn error silent' -- "$word"); return ;;
    --log-format) mapfile -t COMPREPLY < <(compgen -W 'json text' -- "$word"); return ;;
    --output) mapfile -t COMPREPLY < <(compgen -W 'text json yaml pem' -- "$word"); return ;;
  esac
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'serve dev check get status version --version --help' -- "$word")
    return
  fi
  case $command in
    serve | check) options+=" $serving" ;;
    dev) options+=" $serving --trust-domain --id --federate --svid-ttl --ca-ttl" ;;
    get) options+=' --config --listen --output --watch --timeout --jwt --show-token' ;;
    status) options+=' --config --listen --admin --output --watch --ready' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}
complete -F _spiffe_sds spiffe-sds
