"""A service manager as systemd is one: holds listening sockets, hands them on, hears notifications, and starts the service again.

Arguments: notify socket (a path, or @name), ports with commas (or nothing), settings as NAME=VALUE, "--", the command. What happens
is told on standard output, a JSON object a line; a line on standard input starts the service again once it has ended.
"""
import json, os, select, signal, socket, struct, sys, time

name, ports, *rest = sys.argv[1:]
settings, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]


def tell(**what):
    print(json.dumps(what), flush=True)


notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
notify.bind("\0" + name[1:] if name[0] == "@" else name)
held = []
for port in filter(None, ports.split(",")):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", int(port)))
    one.listen(4096)
    held.append(one)


def start():
    pid = os.fork()
    if pid:
        return tell(started=pid)
    numbers = [os.dup(one.fileno()) for one in held]
    high = [os.dup2(number, 200 + index) for index, number in enumerate(numbers)]
    for index, number in enumerate(high):
        os.dup2(number, 3 + index, inheritable=True)
    os.closerange(3 + len(held), 400)
    env = {**os.environ, "NOTIFY_SOCKET": name, **dict(one.split("=", 1) for one in settings)}
    if held:
        env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(held)))
    env = {key: value.replace("PID_OF_SERVICE", str(os.getpid())) for key, value in env.items()}
    os.execvpe(command[0], command, env)


signal.signal(signal.SIGCHLD, lambda *_: None)
signal.set_wakeup_fd((wake := os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))[1])
start()
while True:
    ready, _, _ = select.select([notify, wake[0], sys.stdin], [], [])
    if notify in ready:
        data, extra, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(12))
        pid = next(struct.unpack("iii", value)[0] for level, kind, value in extra)
        tell(pid=pid, at_us=time.monotonic_ns() // 1000, **dict(line.split("=", 1) for line in data.decode().splitlines()))
    if wake[0] in ready:
        os.read(wake[0], 100)
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                tell(ended=ended[0], code=os.waitstatus_to_exitcode(ended[1]))
        except ChildProcessError:
            pass
    if sys.stdin in ready:
        if not sys.stdin.readline():
            sys.exit()
        start()
