# Runs inside the sandbox: the base, the patch in its place, the base again, each until it is well and its smoke test has passed.
# rehearse.sh FOLDER SECONDS PORT PORT PORT; for each of the three, FOLDER/start-N holds the artifact and the command, and
# FOLDER/smoke-N the directory and the command of the smoke test, if there is one, each word ended by a NUL.
# Writes lines `N WORD MICROSECONDS`.
folder=$1 seconds=$2
shift 2
say() { echo "$number $1 ${EPOCHREALTIME/[.,]/}"; }
# Whether it answers with 2xx. The first line says so; a service may keep the connection open after it.
is_well() {
  local line=
  { cat "$folder/health" >&3 && IFS= read -r -t 5 line <&3; } 3<>"/dev/tcp/127.0.0.1/$port" 2>/dev/null
  [[ $line == "HTTP/1."[01]" 2"* ]]
}
lives() { kill -0 "$service" 2>/dev/null; }
start() {
  mapfile -d '' -t words <"$folder/start-$number"
  # A group of its own, by which all that it starts is ended. Not by the shell's job control: that has waited for ever for a
  # child that was gone.
  PORT=$port PATCHLINE_ARTIFACT=${words[0]} PATCHLINE_VERSION=$number setsid "${words[@]:1}" \
    > >(head -c 1000000 >"$folder/log-$number"; cat >/dev/null) 2>&1 </dev/null &
  service=$!
  last=$((SECONDS + seconds))
  while [ "$SECONDS" -le "$last" ]; do
    lives || { say ended; return 1; }
    if is_well; then
      say well
      return 0
    fi
    sleep 0.05
  done
  say unwell
  return 1
}
smoke() {
  [ -e "$folder/smoke-$number" ] || return 0
  mapfile -d '' -t words <"$folder/smoke-$number"
  if (cd "${words[0]}" && timeout 120 "${words[@]:1}") >"$folder/said-$number" 2>&1 </dev/null; then
    say smoked
  else
    say refused
    return 1
  fi
}
stop() {
  say stopping
  kill -TERM -- "-$service" 2>/dev/null
  for _ in $(seq 200); do
    lives || break
    sleep 0.05
  done
  kill -KILL -- "-$service" 2>/dev/null
  wait "$service" 2>/dev/null
  say stopped
}
for number in 1 2 3; do
  port=$1
  shift
  say starting
  start && smoke
  fine=$?
  stop
  [ "$fine" = 0 ] || break
done
exit 0
