# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captures of running guests with an agent: an honest one, none that answers, and one that is out for trouble."""

import time

from vbtest import linux
from vbtest.command import expect, run, same, wait_until
from vbtest.events import Events
from vbtest.midway import check_nothing_left

# Built before the tests run: there is no network where they do.
BUILT_BEFORE = "linux-guest"


def agent_guest(t):
    guest = linux.linux_guest(t, "web", linux.ext4_disk(t), agent=linux.AGENT_XML).running()
    return guest, linux.Agent(guest).wait()


def features(image):
    """Of the ext4 file system in this raw image."""
    lines = run("dumpe2fs", "-h", image).out.splitlines()
    return next(line for line in lines if line.startswith("Filesystem features")).split()


def test_file_systems_are_frozen_and_thawed(t):
    guest, agent = agent_guest(t)
    before, (token, count) = guest.snapshot(), guest.serial.last()
    events = Events(t, guest)
    t.backup(guest, "--guest-memory", "none")
    same(agent.frozen(), "thawed", "file systems after the backup")
    guest.goes_on(token, count, steps=5)
    guest.check_unchanged(before)
    manifest = t.archive.manifest("web")
    same(manifest.consistency(), "frozen", "recorded consistency")
    t.archive.check_holds("web.xml", "web-vda.raw")
    t.check_good(guest)
    # Not even its journal is to be replayed.
    image = t.archive.image("web", "vda", "none")
    expect("needs_recovery" not in features(image), "the file system was in use when it was captured")
    run("e2fsck", "-fn", image)
    guest.suspend()
    guest.resume()
    same(len(events.standstills_ms()), 1, "times that the guest was stopped (once by this test)")


def test_agent_that_does_not_answer(t):
    guest, agent = agent_guest(t)
    agent.begin("sleep 1; kill -STOP $(cat /run/qga/pid)")
    wait_until(lambda: not agent.answers(limit_s=20), "the agent's end")
    token, count = guest.serial.last()
    began = time.monotonic()
    result = t.backup(guest, "--guest-memory", "none")
    took = time.monotonic() - began
    expect("warning" in result.err and "freeze" in result.err, f"no warning: {result.err}")
    expect(took < 30, f"it took {took:.0f} s")
    same(t.archive.manifest("web").consistency(), "crash-consistent", "recorded consistency")
    # What tells a frozen file system, above, must tell one that is not.
    expect("needs_recovery" in features(t.archive.image("web", "vda", "none")), "the file system was not in use")
    guest.goes_on(token, count, steps=5)
    t.check_good(guest)
    check_nothing_left(guest)


def test_agent_that_nobody_has_started(t):
    """A channel that nothing in the guest is connected to."""
    guest = t.small_guest(devices_xml=linux.AGENT_XML).running()
    began = time.monotonic()
    t.backup(guest, "--guest-memory", "none")
    expect(time.monotonic() - began < 20, "it waited for an agent that is not there")
    same(t.archive.manifest("web").consistency(), "crash-consistent", "recorded consistency")
    t.check_good(guest)


def test_freeze_that_comes_too_late(t):
    """A hook in the guest outlasts the limit: the agent freezes when nobody waits for it any longer."""
    guest, agent = agent_guest(t)
    agent.write("/run/hook", '#!/bin/sh\n[ "$1" = freeze ] && sleep 38\nexit 0\n')
    agent.begin("sleep 1; old=$(cat /run/qga/pid); port=$(tr '\\0' '\\n' </proc/$old/cmdline | grep ^/dev/); "
                "kill $old; while kill -0 $old; do sleep 0.1; done; touch /run/new; "
                "qemu-ga --daemonize --path $port --statedir /run/qga --pidfile /run/qga/pid -F/run/hook")
    wait_until(lambda: agent.runs("test -e /run/new"), "the agent with the hook")
    token, count = guest.serial.last()
    result = t.backup(guest, "--guest-memory", "none")
    expect("warning" in result.err and "freeze" in result.err, f"no warning: {result.err}")
    same(t.archive.manifest("web").consistency(), "crash-consistent", "recorded consistency")
    wait_until(lambda: agent.ask("guest-fsfreeze-status", status=None) is not None, "the agent's answer")
    same(agent.frozen(), "thawed", "file systems after the backup")
    guest.goes_on(token, count, steps=5)
    time.sleep(3)   # nothing may come any more
    same(agent.frozen(), "thawed", "file systems some time after the backup")
    check_nothing_left(guest)


def hostile_agent(agent, freeze, thaw, junk=""):
    """Put a script in the place of the guest's agent. FREEZE, THAW: what it answers to these; "": nothing. JUNK: what it
    writes before its answer to libvirt's sync, from the first ping on. It says so in its answer to a ping."""
    def quote(text):
        return "'" + text + "'"

    agent.write("/run/hostile", f"""#!/bin/sh
exec 3<>$1
# Before libvirt has connected to the port its end is read.
while read -r line <&3 || usleep 50000; do
	id=${{line##*'"id":'}}; id=${{id%%\\}}*}}
	case "$line" in
	*guest-sync*) answer=$junk'{{"return":'$id'}}';;
	*fsfreeze-freeze*) answer={quote(freeze)};;
	*fsfreeze-thaw*) answer={quote(thaw)};;
	*) answer='{{"return":{{"hostile":1}}}}'; junk={quote(junk)};;
	esac
	[ -z "$answer" ] || printf '%b\\n' "$answer" >&3
done
""")
    agent.begin("sleep 1; old=$(cat /run/qga/pid); port=$(tr '\\0' '\\n' </proc/$old/cmdline | grep ^/dev/); "
                "kill $old; while kill -0 $old; do sleep 0.1; done; exec /run/hostile $port")
    wait_until(lambda: agent.ask("guest-ping", status=None, limit_s=5) == {"hostile": 1}, "the hostile agent")


def hostile_agent_costs(t, limit_s, **answers):
    """What a guest's agent says may cost its own backup some time, and the guest's freeze; nobody else anything."""
    guest, agent = agent_guest(t)
    hostile_agent(agent, **answers)
    began = time.monotonic()
    result = t.backup(guest, "--guest-memory", "none")
    took = time.monotonic() - began
    expect(took < limit_s, f"it took {took:.0f} s")
    check_nothing_left(guest)
    return result


def unfrozen(t, result):
    expect("warning" in result.err and "freeze" in result.err, f"no warning: {result.err}")
    same(t.archive.manifest("web").consistency(), "crash-consistent", "recorded consistency")


def test_agent_that_answers_nonsense(t):
    """libvirt gives such an agent up, so that it cannot be asked to thaw either."""
    unfrozen(t, hostile_agent_costs(t, 30, freeze="xyzzy", thaw='{"return":1}'))


def test_agent_that_writes_junk_before_its_answers(t):
    hostile_agent_costs(t, 30, freeze='{"return":1}', thaw='{"return":1}', junk="junk\\n")


def test_agent_that_is_thawed_for_ever(t):
    """It does not answer the freeze, and thaws something each time it is asked to."""
    unfrozen(t, hostile_agent_costs(t, 60, freeze="", thaw='{"return":1}'))
