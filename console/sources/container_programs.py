"""The two shell programs that are run inside the source's container; both write nothing there.

Values only: POSIX sh, so that every image with a shell can run them. Every child is waited for by its own shell: one
that a signal ended and that came to the container's first process would be taken for a crashed backend there, and
the source's server would end all its sessions (PostgreSQL 16, CleanupBackend in postmaster.c).
"""

from __future__ import annotations

_PERL = (
    "use strict; use IO::Socket::UNIX; use IO::Select; "
    'my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\\n"; '
    "my $all = IO::Select->new($s, \\*STDIN); "
    "while (1) { for my $from ($all->can_read) { my $n = sysread($from, my $data, 65536); exit 0 unless $n; "
    "my ($to, $done) = ($from == $s ? \\*STDOUT : $s, 0); "
    "while ($done < $n) { my $w = syswrite($to, $data, $n - $done, $done); exit 1 unless defined $w; $done += $w } } }"
)
_PYTHON = (
    "import os, select, socket, sys\n"
    "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
    "def put(to, data):\n"
    "    while data: data = data[os.write(to, data):]\n"
    "while True:\n"
    "    for one in select.select([0, s.fileno()], [], [])[0]:\n"
    "        data = os.read(one, 65536)\n"
    "        if not data: sys.exit(0)\n"
    "        put(1 if one == s.fileno() else s.fileno(), data)\n"
)
_BASH = 'exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1; cat <&3 & back=$!; cat >&3; kill $back; wait $back'

RELAY = f"""
if command -v perl >/dev/null 2>&1; then exec perl -e '{_PERL}' "$1"; fi
if command -v python3 >/dev/null 2>&1; then exec python3 -I -c '{_PYTHON}' "$1"; fi
if command -v bash >/dev/null 2>&1; then exec bash -c '{_BASH}' bash "$2"; fi
echo "the container has neither perl nor python3 nor bash to reach its server with" >&2; exit 93
"""
"""Carries one connection to the server's socket ($1, or on loopback port $2), ends with either side."""

DUMP = """
dump() {
    IFS= read -r word || { echo code 125 >&5; return; }
    printf '%s\\n' "$word" | pg_dump "$@" 3<&- 5>&- &
    dump=$!
    unset word
    echo dump "$dump" >&5
    wait "$dump"
    echo code "$?" >&5
}
gather() {
    sh -c 'echo gather "$$" >&5; exec 3<&- 5>&-
        if command -v dd >/dev/null 2>&1; then exec dd ibs=65536 obs=65536 2>/dev/null; else exec cat; fi'
}
watch() {
    dump='' gather='' code=1 lost='' guard=''
    while read -r what value; do
        case "$what" in
            dump) dump=$value ;;
            gather) gather=$value ;;
            code) code=$value ;;
            lost) lost=yes ;;
        esac
        if [ -z "$guard" ] && [ -n "$dump" ] && [ -n "$gather" ]; then
            ( read -r end <&3; kill "$dump" "$gather" ) >/dev/null 2>&1 &
            guard=$!
        fi
    done
    if [ -n "$guard" ]; then
        kill "$guard" 2>/dev/null
        wait "$guard" 2>/dev/null
    fi
    if [ "$code" -eq 0 ] && [ -n "$lost" ]; then
        echo "what pg_dump wrote could not be passed on" >&2
        return 74
    fi
    return "$code"
}
exec 3<&0 4>&1
{ { dump "$@" 4>&- | gather >&4 4>&- || echo lost >&5; } 5>&1 | watch 4>&-; }
exit "$?"
"""
"""Runs pg_dump with what it is told first on its stdin, for its password prompt; ends it when the stream ends.

pg_dump writes 4 kB at a time, and an engine carries each piece by itself, at more cost than its compression: they are
gathered to 64 kB. The exit code is pg_dump's, unless not everything of it could be passed on. What gathers is ended
with it: where nobody reads any more, it would wait for ever."""
