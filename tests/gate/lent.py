"""Resources, prompts and completion of what the gateway alone has, through a stdio bridge, in both eras."""
import json
import os
import signal

from gate.driver import Gateway, case, check, until
from gate.link import FIXTURES, Agent, blind


class Speaker:
    """One bridge, spoken to in one dialect: of 2026-07-28, or an older one."""

    def __init__(self, env, version=None, *options):
        self.agent = Agent(env, *options)
        self.modern, self.number = version is None, 0
        if version:
            self.agent.tell("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}, "init")
            self.agent.answer("init")
            self.agent.tell("notifications/initialized")

    def ask(self, method, params=None):
        if self.modern:
            return self.agent.ask(method, params)
        self.number += 1
        self.agent.tell(method, params or {}, self.number)
        return self.agent.answer(self.number)

    def keys(self, method, list_of, key):
        return [one[key] for one in self.ask(method)["result"][list_of]]

    def __enter__(self):
        self.agent.__enter__()
        return self

    def __exit__(self, *end):
        return self.agent.__exit__(*end)


def reads(s):
    """What the fixtures in the gateway's Emacs offer, all of it."""
    check("test://static-text" in s.keys("resources/list", "resources", "uri"))
    check("test://template/{id}/data" in s.keys("resources/templates/list", "resourceTemplates", "uriTemplate"))
    check("test_prompt_with_arguments" in s.keys("prompts/list", "prompts", "name"))
    got = s.ask("resources/read", {"uri": "test://static-text"})["result"]["contents"]
    check(got == [{"uri": "test://static-text", "mimeType": "text/plain", "text": "This is the content of the static text resource."}], got)
    check("blob" in s.ask("resources/read", {"uri": "test://static-binary"})["result"]["contents"][0])
    got = s.ask("resources/read", {"uri": "test://template/42/data"})["result"]["contents"][0]
    check(got["uri"] == "test://template/42/data" and "42" in got["text"], got)
    got = s.ask("prompts/get", {"name": "test_prompt_with_arguments", "arguments": {"arg1": "first", "arg2": "second"}})["result"]["messages"]
    check("first" in got[0]["content"]["text"] and "second" in got[0]["content"]["text"], got)
    got = s.ask("completion/complete", {"ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"}, "argument": {"name": "arg1", "value": "par"}})
    check(got["result"]["completion"]["values"] == ["paris", "park", "party"], got)
    got = s.ask("completion/complete", {"ref": {"type": "ref/resource", "uri": "test://template/{id}/data"}, "argument": {"name": "id", "value": "1"}})
    check(got["result"]["completion"]["values"] == ["123", "124"], got)
    # What is wrong there is an error here.
    got = s.ask("prompts/get", {"name": "test_prompt_with_arguments", "arguments": {}})
    check(got["error"]["code"] == -32602 and "arg1" in got["error"]["message"], got)
    got = s.ask("resources/read", {"uri": "test://none"})
    check("there is no resource test://none" in got["error"]["message"], got)


@case(emacs="first")
def lent():
    with Gateway() as g:
        g.start_emacs()
        g.value(f"(progn (load {json.dumps(FIXTURES)}) t)")
        with Speaker(blind(g)) as new, Speaker(blind(g), "2025-06-18") as old, Speaker(blind(g), "2024-11-05") as oldest:
            for s in (new, old, oldest):
                reads(s)
            got = old.ask("resources/subscribe", {"uri": "test://watched-resource"})
            check("changes there are not told here" in got["error"]["message"], got)
            # A new one is told of.
            g.call("test_trigger_prompt_change")
            old.agent.note("notifications/prompts/list_changed")
            check("fixtures_extra" in old.keys("prompts/list", "prompts", "name"))
            until(lambda: "fixtures_extra" in new.keys("prompts/list", "prompts", "name"), "the other one has it too")
            # Stopped it holds nobody up for ever; gone it is said.
            os.kill(g.process.pid, signal.SIGSTOP)
            number = new.agent.begin("resources/read", {"uri": "test://static-text"})
            os.kill(g.process.pid, signal.SIGCONT)
            check("contents" in new.agent.answer(number)["result"])
            g.call("efrit_stop_instance", {"instance_id": g.instance, "force": True})
            g.instance = None
            g.end()
            for s in (new, old):
                until(lambda s=s: not s.keys("prompts/list", "prompts", "name"), "nothing is offered any more")
                got = s.ask("resources/read", {"uri": "test://static-text"})
                check("the gateway, which may have had it, is gone" in got["error"]["message"], got)
                got = s.ask("prompts/get", {"name": "test_simple_prompt"})
                check("the gateway, which may have had it, is gone" in got["error"]["message"], got)


@case(emacs="first")
def lent_silent():
    """A gateway that answers no more, and one that dies in the middle of a read."""
    with Gateway() as g:
        g.start_emacs()
        g.value(f"(progn (load {json.dumps(FIXTURES)}) t)")
        emacs = int(g.value("(emacs-pid)"))
        with Speaker(blind(g), None, "--set", "silence=300", "--set", "ping_interval=100", "--set", "gateway_patience=1000") as s:
            reads(s)
            os.kill(g.process.pid, signal.SIGSTOP)
            got = s.ask("resources/read", {"uri": "test://static-text"})
            check(got["error"]["data"]["error_code"] == "not_responding" and got["error"]["data"]["may_have_run"], got)
            got = s.ask("resources/read", {"uri": "test://static-text"})
            check("the gateway, which may have it, is not there" in got["error"]["message"] and "kill -CONT" in got["error"]["message"], got)
            number = s.agent.begin("prompts/get", {"name": "test_simple_prompt"})
            check("error" in s.agent.answer(number))
            os.kill(g.process.pid, signal.SIGCONT)
            until(lambda: "result" in s.ask("resources/read", {"uri": "test://static-text"}), "it is there again")
            os.kill(g.process.pid, signal.SIGSTOP)
            number = s.agent.begin("resources/read", {"uri": "test://static-text"})
            g.process.kill()
            g.process.wait()
            got = s.agent.answer(number)
            check(got["error"]["data"]["error_code"] == "gateway_gone", got)
            g.process.returncode = 0
        os.kill(emacs, signal.SIGKILL)


@case(emacs="first")
def lent_beside():
    """What an Emacs here has is taken from there; of the gateway's only the rest is listed."""
    with Gateway(config={"instances": {"near": {"auto_start": True}}}) as g:
        g.start_emacs("near2")
        g.call("efrit_execute", {"content": f"(progn (load {json.dumps(FIXTURES)}) t)", "instance_id": "near2"})
        with Speaker(g.env) as s, Speaker(dict(g.env), None, "--set", "gateway=off") as alone:
            until(lambda: "test://static-text" in s.keys("resources/list", "resources", "uri"), "all have told")
            for list_of in (("resources/list", "resources", "uri"), ("prompts/list", "prompts", "name"), ("tools/list", "tools", "name")):
                until(lambda list_of=list_of: set(alone.keys(*list_of)) == set(s.keys(*list_of)) if list_of[1] != "tools" else True, f"the same {list_of[1]} with and without it")
                mine = s.keys(*list_of)
                check(len(mine) == len(set(mine)), mine)
