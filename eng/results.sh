#!/usr/bin/env bash
# eng/results.sh FOLDER: sums up the test runs in it: NAME.trx, NAME.log and, where the runner died, NAME.broken. Prints what failed, why tests
# were skipped, and as its last line "N passed, N failed, N skipped". Status 0: some test ran and none failed.
set -euo pipefail
cd "$1"

passed=0 failed=0 skipped=0
for log in *.log; do
  name=${log%.log}
  counts="0 0 0"
  if [[ -f $name.trx ]]; then
    # Each record begins with a result's attributes; its message, if any, follows before the next result.
    counts=$(awk -v name="$name" -v reasons="$name.skipped" '
      function unescape(text) {
        gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&#x[AD];/, "", text); gsub(/&amp;/, "\\&", text)
        return text
      }
      function between(text, from, to,    start) {
        start = index(text, from)
        if (!start) return ""
        text = substr(text, start + length(from))
        return substr(text, 1, index(text, to) - 1)
      }
      BEGIN { RS = "<UnitTestResult " }
      NR > 1 {
        outcome = between($0, "outcome=\"", "\"")
        if (outcome == "Passed") passed++
        else if (outcome == "NotExecuted" || outcome == "Inconclusive") {
          skipped++
          reason = unescape(between($0, "<Message>", "</Message>"))
          sub(/^Assert\.Inconclusive[a-z ]*\. */, "", reason)
          gsub(/[ \n]+/, " ", reason)
          print "  " name ": " unescape(between($0, "testName=\"", "\"")) ": " (reason == "" ? "no reason given" : reason) > reasons
        } else failed++
      }
      END { print passed + 0, failed + 0, skipped + 0 }' "$name.trx")
  fi
  read -r p f s <<<"$counts"
  if [[ -f $name.broken ]]; then
    f=$((f + 1))
    printf '\n%s: the test runner failed\n' "$name"
    cat "$name.broken"
  elif ((f)); then
    printf '\n%s: %d failed\n' "$name" "$f"
    sed -n '/^  Failed /,$p' "$name.log" | grep -v '^  Skipped '
  elif ((p + f + s == 0)); then
    echo "$name: no test ran"
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done

echo
sed -n -E 's/^(Passed|Failed|Skipped)! +- //p' ./*.log
if ((skipped)); then
  printf '\nskipped:\n'
  cat ./*.skipped
fi
echo
((passed)) || echo "no test passed"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
