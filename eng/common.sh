# Shared by ./run, ./test and eng/*.sh: sourced from the project's root, under `set -euo pipefail`.

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false \
  DOTNET_CLI_UI_LANGUAGE=en MSBUILDDISABLENODEREUSE=1 MSBUILDTERMINALLOGGER=off

say() { printf '%s\n' "==> $*" >&2; }

fail() {
  printf '%s\n' "$(basename "$0"): $*" >&2
  exit 2
}

command -v dotnet >/dev/null || fail "no dotnet on the path. Install the .NET SDK that global.json names."

# apt_install PACKAGE…: as root or through sudo; 1 where neither is to be had.
apt_install() {
  local as=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
      say "not root and no sudo. Install by hand: apt-get install $*"
      return 1
    fi
    as=(sudo)
  fi
  say "apt-get install $*"
  local install=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
  # The lists of a fresh machine are empty or old: fetched only where the first try fails.
  "${install[@]}" >/dev/null 2>&1 </dev/null || { "${as[@]}" apt-get update -qq >/dev/null </dev/null && "${install[@]}" >/dev/null </dev/null; }
}

# build PROJECT: Release. One compiler serves all projects, under a name of its own; it ends with the build.
build() {
  local compiler=featurestore-$$ status=0 process
  dotnet msbuild "$1" -restore -p:Configuration=Release -nodeReuse:false -p:UseSharedCompilation=true -p:SharedCompilationId="$compiler" -clp:ErrorsOnly -v:quiet -nologo </dev/null >&2 || status=$?
  for process in $(grep -ls "[-]pipename:$compiler" /proc/[0-9]*/cmdline); do
    [[ ! $process =~ [0-9]+ ]] || kill "${BASH_REMATCH[0]}" 2>/dev/null || true
  done
  return $status
}
