# SPDX-License-Identifier: Apache-2.0
"""neutrino-lab: a cloud of network namespaces on one machine."""

import argparse
import json
import os
import signal
import sys

from . import capture
from .base import LabError
from .cloud import DRIVERS, Lab
from .host import PROGRAMS

USAGE = """\
a name of a host is controller, network, compute1, compute2 ...
examples:
  neutrino-lab up
  export OS_ENDPOINT=$(neutrino-lab status --format json | jq -r .api)
  neutrino net-create blue; neutrino subnet-create blue 10.0.1.0/24
  neutrino-lab boot vm1 --network blue --host compute1
  neutrino-lab exec vm1 -- ip addr
  neutrino-lab capture compute1 | tcpdump -r -
  neutrino-lab kill server; neutrino-lab start server
  neutrino-lab down
"""


def parser():
    p = argparse.ArgumentParser("neutrino-lab", description=__doc__, epilog=USAGE,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="lab", dest="lab", metavar="LAB", help="which lab, if there are several")
    verbs = p.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, text):
        return verbs.add_parser(name, help=text, description=text, parents=[common])

    v = verb("up", "make hosts and start server and agents")
    v.add_argument("--hosts", type=int, default=2, help="how many computes (2)")
    v.add_argument("--driver", default="ebpf", choices=list(DRIVERS),
                   help="the hosts' datapath (ebpf), or mixed: alternating openvswitch and ebpf")
    v = verb("boot", "make a VM")
    v.add_argument("vm", metavar="NAME")
    v.add_argument("--network", metavar="NET", help="name or id; a port is made there")
    v.add_argument("--port", metavar="ID", help="or: this port, by name or id")
    v.add_argument("--host", required=True)
    v = verb("stop", "end a VM")
    v.add_argument("vm", metavar="NAME")
    v = verb("move", "move a running VM to another host")
    v.add_argument("vm", metavar="NAME")
    v.add_argument("--host", required=True)
    v = verb("exec", "run a command in a VM or on a host")
    v.add_argument("where", metavar="NAME|HOST")
    v.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    v = verb("capture", "packets on the host's uplinks, as pcap on standard output until interrupted")
    v.add_argument("host", metavar="HOST")
    v = verb("status", "what there is")
    v.add_argument("--format", choices=["text", "json"], default="text")
    for name, text in (("kill", "kill -9 a program, or cut a host's power"), ("restart", "end (SIGTERM) and start"),
                       ("start", "start what was killed")):
        v = verb(name, text)
        v.add_argument("what", metavar="HOST|server|PROGRAM@HOST")
    verb("down", "end it all; nothing is left")
    return p


def status_text(s):
    print(f"lab {s['name']} ({s['driver']}), API {s['api']}, logs {s['logs']}")
    for name, h in s["hosts"].items():
        runs = ", ".join(f"{program} {h[program] or 'not running'}" for program in PROGRAMS if program in h)
        mode = f", {h['agent_mode']}, {h['driver']}" if h["agent_mode"] else ""
        print(f"  {name:12} {h['state']:5} {h['address']:14} {runs}{mode}")
    for name, v in s["vms"].items():
        print(f"  {name:12} {v['state']:5} {','.join(v['addresses']):14} {v['mac']} on {v['host']}, network {v['network']}")


def execute(lab, where, command):
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        raise LabError("exec needs a command, after --")
    words = [*lab.space(where).enter(), *command]
    os.environ["PATH"] = f"{lab.state.read()['build']}:{os.environ.get('PATH', '/usr/bin:/bin:/usr/sbin:/sbin')}"
    os.execvp(words[0], words)


def perform(args, lab):
    if args.verb == "up":
        lab.up(args.hosts, args.driver)
    elif args.verb == "boot":
        vm = lab.boot(args.vm, args.network, args.host, args.port)
        print(f"{vm.name}: {', '.join(vm.addresses())} on {vm.hostname}, port {vm.data['port']}")
    elif args.verb == "stop":
        lab.stop(args.vm)
    elif args.verb == "move":
        lab.move(args.vm, args.host)
    elif args.verb == "exec":
        execute(lab, args.where, args.command)
    elif args.verb == "capture":
        host = lab.host(args.host)
        capture.shown(host.need(), host.data["uplinks"])
    elif args.verb == "status":
        if args.format == "json":
            print(json.dumps(lab.status(), indent=2))
        else:
            status_text(lab.status())
    elif args.verb == "down":
        if not lab.down():
            print(f"no lab {args.lab} is up", file=sys.stderr)
    else:
        getattr(lab, args.verb)(args.what)


def main(argv, build):
    args = parser().parse_args(argv)
    if args.verb not in ("exec", "capture"): # they become another program
        signal.signal(signal.SIGTERM, lambda *what: sys.exit(143)) # a half-made lab is taken down
    try:
        perform(args, Lab(args.lab, build, say=lambda text: print(text, flush=True)))
    except (LabError, OSError) as e:
        print(f"neutrino-lab: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
