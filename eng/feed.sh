#!/usr/bin/env bash
# eng/feed.sh [--refresh]: finds out which packages this machine's NuGet sources serve whole, and writes artifacts/feed.props, which swaps what
# they lack for a substitute (eng/feed.targets). Does nothing while the sources, the wanted versions and this script stay the same.
#   FEATURESTORE_FEED_KAFKA, FEATURESTORE_FEED_REDIS, FEATURESTORE_FEED_ONNX, FEATURESTORE_FEED_ORLEANS, FEATURESTORE_FEED_ORLEANS_AZURE = fallback: take
#   the substitute even so
#   OrleansVersion = VERSION: the one version of Orleans to try
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source eng/common.sh

onnx_npm_version=1.30.0
orleans_tries_max=4
props=artifacts/feed.props
table=artifacts/feed.txt
work=artifacts/feed
mkdir -p "$work"

exec 9>"$work/lock"
flock 9

key=$({
  dotnet nuget list source --format Short
  cat Directory.Packages.props eng/feed.sh eng/feed.targets eng/probe.csproj
  echo "${FEATURESTORE_FEED_KAFKA-} ${FEATURESTORE_FEED_REDIS-} ${FEATURESTORE_FEED_ONNX-} ${FEATURESTORE_FEED_ORLEANS-} ${FEATURESTORE_FEED_ORLEANS_AZURE-} ${OrleansVersion-} $(uname -m)"
} | sha256sum | cut -d ' ' -f 1)

current() {
  grep -qs "$key" "$props" && [[ -f $table ]] || return 1
  local path
  for path in $(sed -n 's:.*>\(/.*\)</Feed.*:\1:p' "$props"); do [[ -f $path ]] || return 1; done
}

if [[ ${1-} != --refresh ]] && current; then
  cat "$table" >&2
  exit 0
fi

# probe PART [OPTION…]: does its closure restore? The answer is the status, the log stays in $work/PART.log.
probe() {
  local part=$1
  shift
  # From nothing: a failed restore that is repeated unchanged would be answered from its last result.
  rm -rf "${work:?}/$part"
  timeout 300 dotnet restore eng/probe.csproj -nodeReuse:false "-p:FeedProbe=$part" "-p:BaseIntermediateOutputPath=$PWD/$work/$part/" "$@" \
    >"$work/$part.log" 2>&1 </dev/null 9>&-
}

# because PART: the first error of its log, short and without addresses. A source that does not answer is no answer: that ends the set-up.
because() {
  local error
  error=$(sed -n 's/.*error *\(NU[0-9]*\)\{0,1\}: *\(.*\)/\1 \2/p' "$work/$1.log" | head -n 1)
  if [[ -z $error || $error == NU1301* ]] && ! grep -q 'status code does not indicate success: 4' "$work/$1.log"; then
    tail -n 5 "$work/$1.log" >&2
    fail "$1: the package sources do not answer. Check the network and the sources (dotnet nuget list source), then try again."
  fi
  sed -E "s/Warning As Error: //; s# from 'http[^']*'##; s#'?https?://[^ ]*##g; s/ in source\(s\).*//; s/(\.)? No packages exist.*//; s/ was not found\. .*/ was not found/" <<<"$error" |
    cut -c 1-140
}

# version PACKAGE: as Directory.Packages.props names it, its ordinary one.
version() { sed -n "s/.*PackageVersion Include=\"$1\" Version=\"\([^\"]*\)\".*/\1/p" Directory.Packages.props | head -n 1; }

forced() { [[ -n ${!1-} ]]; }

rows=()
settings=()
row() { rows+=("$1|$2|$3|$4"); }
setting() { settings+=("    <$1 Condition=\"'\$($1)' == ''\">$2</$1>"); }

# ordinary PART VARIABLE: is the ordinary package to be had and wanted? Else $reason says why not.
ordinary() {
  if forced "$2"; then
    reason="$2 is set"
    return 1
  fi
  wait "${probes[$1]}" && return 0
  reason=$(because "$1") || exit 2
  return 1
}

say "asking the package sources what they serve (once; eng/feed.sh --refresh asks again)"
declare -A probes
# Two at a time.
probe rest & probes[rest]=$!
probe kafka & probes[kafka]=$!
wait "${probes[rest]}" || {
  why=$(because rest) || exit 2
  fail "the package sources lack what has no substitute: $why"
}
probe redis & probes[redis]=$!
wait "${probes[kafka]}" || true
probe onnx & probes[onnx]=$!
wait "${probes[redis]}" || true
probe orleans-azure & probes[orleans-azure]=$!

# Kafka
if ordinary kafka FEATURESTORE_FEED_KAFKA; then
  row Kafka "Confluent.Kafka $(version Confluent.Kafka)" "the same" ""
else
  why=$reason
  probe kafka-fallback || fail "Kafka: no client is offered: $why; $(because kafka-fallback)"
  librdkafka() { PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk '$1 == "librdkafka.so.1" { print $NF; exit }'; }
  [[ -n $(librdkafka) ]] || apt_install librdkafka1 || fail "Kafka: needs librdkafka. Install Debian's librdkafka1."
  setting FeedKafka "$(librdkafka)"
  fallback=$(sed -n 's:.*<KafkaFallbackVersion>\(.*\)</.*:\1:p' Directory.Packages.props)
  row Kafka "Confluent.Kafka $fallback" "its assembly over the system's librdkafka" "$why"
fi

# Redis
if ordinary redis FEATURESTORE_FEED_REDIS; then
  row Redis "StackExchange.Redis $(version StackExchange.Redis)" "the same" ""
else
  why=$reason
  probe redis-fallback -p:FeedRedis=fallback || fail "Redis: no client is offered: $why; $(because redis-fallback)"
  setting FeedRedis fallback
  row Redis "StackExchange.Redis 1.2.6" "the same" "$why"
fi

# ONNX Runtime
if ordinary onnx FEATURESTORE_FEED_ONNX; then
  row "ONNX Runtime" "Microsoft.ML.OnnxRuntime $(version Microsoft.ML.OnnxRuntime)" "the same" ""
else
  why=$reason
  library=$PWD/artifacts/onnxruntime/$onnx_npm_version/libonnxruntime.so
  if [[ ! -f $library ]]; then
    command -v npm >/dev/null || apt_install npm || fail "ONNX Runtime: $why; without npm there is no other way to it. Install Debian's npm."
    say "fetching ONNX Runtime from the npm package onnxruntime-node $onnx_npm_version (some 110 MB)"
    rm -rf "${work:?}/npm"
    mkdir -p "$work/npm" "$(dirname "$library")"
    timeout 900 npm pack "onnxruntime-node@$onnx_npm_version" --silent --pack-destination "$work/npm" >/dev/null </dev/null 9>&- ||
      fail "ONNX Runtime: $why; npm does not give onnxruntime-node $onnx_npm_version either."
    case $(uname -m) in x86_64) processor=x64 ;; aarch64) processor=arm64 ;; *) fail "ONNX Runtime: onnxruntime-node has no library for $(uname -m)." ;; esac
    tar -xzf "$work"/npm/*.tgz -C "$work/npm" --wildcards "package/bin/napi-v*/linux/$processor/libonnxruntime.so*"
    mv "$(find "$work/npm" -name 'libonnxruntime.so*' -type f | head -n 1)" "$library"
    rm -rf "${work:?}/npm"
  fi
  setting FeedOnnx "$library"
  row "ONNX Runtime" "npm onnxruntime-node $onnx_npm_version" "its libonnxruntime" "$why"
fi

# Orleans: the wanted version, else the newest below it that restores whole.
orleans=
# What the last probe made of Microsoft.Orleans.Server, whether or not its closure restored.
server_version() { sed -n 's:.*"Microsoft.Orleans.Server/\([^"]*\)".*:\1:p' "$work/orleans/project.assets.json" 2>/dev/null | head -n 1 || true; }
if forced FEATURESTORE_FEED_ORLEANS; then
  why="FEATURESTORE_FEED_ORLEANS is set"
else
  wanted=${OrleansVersion-$(sed -n 's:.*<OrleansVersion .*>\(.*\)</.*:\1:p' Directory.Packages.props)}
  candidate=$wanted
  for ((try = 1; try <= orleans_tries_max; try++)); do
    if probe orleans "-p:OrleansVersion=$candidate" -p:CentralPackageFloatingVersionsEnabled=true; then
      orleans=$(server_version)
      break
    fi
    below=$(server_version)
    if ((try == 1)); then
      why=$(because orleans) || exit 2
      below=${below:-$wanted}
    fi
    [[ -z ${OrleansVersion-} && -n $below ]] || break
    candidate="[${wanted%%.*}.*%2C$below)"
  done
fi
if [[ -n $orleans ]]; then
  setting OrleansVersion "$orleans"
  row Orleans "Microsoft.Orleans.Server $orleans" offered "$([[ $orleans == "$wanted" ]] || echo "$wanted: $why")"
  if ordinary orleans-azure FEATURESTORE_FEED_ORLEANS_AZURE; then
    row "Orleans, Azure storage" "Microsoft.Orleans.*.AzureStorage $orleans" offered ""
  else
    setting FeedOrleansAzure left-out
    row "Orleans, Azure storage" "" "left out" "$reason"
  fi
else
  setting FeedOrleans left-out
  row Orleans "" "left out" "$why"
fi
wait

{
  echo "<!-- Written by eng/feed.sh; $key -->"
  printf '<Project>\n  <PropertyGroup>\n'
  printf '%s\n' "${settings[@]}"
  printf '  </PropertyGroup>\n</Project>\n'
} >"$props.new"
{
  echo "part|found|used|because"
  printf '%s\n' "${rows[@]}"
} | awk -F '|' '{ printf "    %-24s%-46s%-44s%s\n", $1, $2 == "" ? "-" : $2, $3, $4 }' | sed 's/ *$//' >"$table"
mv "$props.new" "$props"
cat "$table" >&2
