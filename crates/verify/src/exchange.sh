# Runs inside the sandbox: starts the service, waits until it is well, asks one request after the other.
# exchange.sh PORT FOLDER COUNT PROGRAM [ARGUMENT…]; requests are FOLDER/request-N, answers become FOLDER/answer-N.
port=$1 folder=$2 count=$3
shift 3
"$@" > >(head -c 1000000 >"$folder/service.log"; cat >/dev/null) 2>&1 &
service=$!
ask() {
  { cat "$1" >&3; timeout 10 head -c 1048576 <&3 >"$2"; } 3<>"/dev/tcp/127.0.0.1/$port" 2>/dev/null
}
well=no
for _ in $(seq 600); do
  kill -0 "$service" 2>/dev/null || exit 3
  if ask "$folder/health" "$folder/health-answer" && head -c 12 "$folder/health-answer" | grep -q '^HTTP/1\.[01] 2'; then
    well=yes
    break
  fi
  sleep 0.05
done
[ "$well" = yes ] || { kill -9 "$service"; exit 4; }
for number in $(seq "$count"); do
  ask "$folder/request-$number" "$folder/answer-$number"
done
kill -9 "$service" 2>/dev/null
exit 0
