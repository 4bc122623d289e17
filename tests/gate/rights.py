"""What a client of the profile look has of a person's secrets, and what it can have run: nothing, by any door.

Secrets are planted wherever a tool may come by: files and all that leads to them, the environment, buffers, variables.
Programs are planted wherever a folder can name one.  Which tools, resources and prompts there are the gateway says, and
their schemas what they take, so one that comes later is tried too.
"""
import itertools
import json
import os
import secrets
import shutil
import stat
import subprocess
import time
import urllib.parse

from gate.driver import BOTH, Gateway, case, check

SMALL = {"large_min": 300000, "large_block": 100001} # what is longer is kept
GIT_PROGRAMS = ("core.fsmonitor core.pager core.editor core.sshCommand core.askPass core.alternateRefsCommand core.gitProxy diff.external "
                "diff.evil.command diff.evil.textconv credential.helper gpg.program gpg.openpgp.program gpg.x509.program gpg.ssh.program "
                "uploadpack.packObjectsHook filter.evil.clean filter.evil.smudge filter.evil-two.process merge.evil.driver "
                "interactive.diffFilter pager.status pager.diff pager.log sequence.editor trailer.evil.command").split()
GIT_SETTINGS = {"filter.evil.required": "true", "log.showSignature": "true", "format.pretty": "%G? %s", "diff.submodule": "diff", "protocol.ext.allow": "always",
                "status.submoduleSummary": "true", "extensions.partialClone": "far", "remote.far.promisor": "true", "core.repositoryFormatVersion": "1"}
HOOKS = "post-index-change fsmonitor-watchman query-watchman pre-commit post-checkout reference-transaction pre-auto-gc post-rewrite".split()
SHADOWS = "git grep find diff rg ls sort xargs sh gzip emacs hg".split() # the folder's own, where PATH has "."
VARIABLES = ("kill-ring kill-ring-yank-pointer process-environment initial-environment register-alist minibuffer-history command-history values "
             "file-name-history search-ring regexp-search-ring gate-api-key gate-password gate-token gate-alias gate-copy gate-kept auth-source-netrc-cache "
             "gate-settings gate-url gate-closure gate-map gate-macro killed-rectangle bookmark-alist password-data last-kbd-macro kmacro-ring buffer-undo-list url-request-extra-headers command-line-args unread-command-events").split()


class Trap:
    """Secrets and programs that are planted below FOLDER; they are known again by what they say."""

    def __init__(self, folder):
        self.folder, self.words, self.names, self.most = folder, {}, [], []
        self.ran, self.evaluated = os.path.join(folder, "ran"), None
        os.mkdir(folder)

    def word(self, what):
        self.words["SNTL" + secrets.token_hex(8)] = what
        return list(self.words)[-1]

    def secret(self, path, mode=0o600):
        """A file that holds a secret; its name is one that is tried."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"machine {self.word(path)} password\n")
        os.chmod(path, mode)
        self.names.append(path)
        return path

    def program(self, path, name):
        """What says that it ran; else it lets everything pass."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\necho '{name}' \"$@\" >>'{self.ran}'\ncat\n")
        os.chmod(path, 0o755)
        return path

    def what_ran(self):
        if not os.path.exists(self.ran):
            return ""
        with open(self.ran, encoding="utf-8", errors="replace") as f:
            return f.read()

    def link(self, target, name):
        path = os.path.join(self.folder, name)
        os.symlink(target, path)
        self.names.append(path)
        return path


def plant_programs(trap):
    """What Emacs runs to get to other machines and users."""
    for name in "ssh sudo su doas scp rsync plink telnet rsh ksu adb".split():
        trap.program(os.path.join(trap.folder, "bin", name), name)
    trap.names += ["/ssh:nowhere.invalid:~/x", "/ssh:nowhere.invalid:/x", "/sudo::~/x", "/su:root@localhost:~/", "/rsh:nowhere.invalid:~", "/doas::~/x"]


def git(repository, *arguments):
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=True,
                          env=dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")).stdout


def plant_files(trap, home, state, foreign):
    for name in (".authinfo", ".netrc", ".ssh/id_ed25519", ".ssh/work", ".gnupg/private-keys-v1.d/1.key", ".aws/credentials", ".git-credentials",
                 ".config/gh/hosts.yml", ".pgpass", ".bash_history", ".emacs.d/server/server", ".local/state/efrit-mcp/token-before", ".local/state/efrit-mcp/results/x"):
        trap.secret(os.path.join(home, name))
    for name in ("server.pem", ".env", ".env.local", ".netrc~", "#.netrc#", "id_rsa.bak", "secrets.yaml"):
        trap.secret(os.path.join(trap.folder, "project", name), 0o644)
    trap.names += [os.path.join(state, name) for name in ("token", "token-alice", "token-boss", "state.key", "tasks.sqlite")]
    trap.names += [os.path.join(foreign, "token"), "~/.netrc", "$HOME/.netrc", "/$GATE_SECRET_TOKEN", "~/.ssh/../.ssh/work"]
    token = os.path.join(state, "token")
    trap.link(token, "harmless.txt")
    trap.link("harmless.txt", "twice.txt")
    folder = trap.link(state, "folder")
    trap.names += [os.path.join(folder, "token"), os.path.join(trap.folder, "project/../folder/token-alice")]
    trap.link("/proc/self/root" + token, "by-proc.txt")
    trap.link("/proc/self/environ", "environment.txt")
    trap.link(os.path.join(home, ".netrc"), "project/notes.txt")
    hard = os.path.join(trap.folder, "hard.txt")
    os.link(token, hard)
    trap.names += [hard, "/:" + token, "file://" + token, "/sudo::" + token, "/sudo:root@localhost:" + token, "/ssh:localhost:" + token,
                   "/proc/self/root" + token, "/proc/thread-self/root" + token, "/proc//self/./root" + token, "/proc/1/root" + token]
    for name in (".netrc", ".ssh/work"):
        os.link(os.path.join(home, name), os.path.join(trap.folder, "project", "linked" + os.path.basename(name)))
        trap.names.append(os.path.join(trap.folder, "project", "linked" + os.path.basename(name)))
    for pid in ("self", "thread-self"):
        trap.names += [f"/proc/{pid}/{name}" for name in ("environ", "task/1/environ", "maps", "mem", "auxv", "cmdline", "fd/0", "cwd/x", "exe")]
    trap.names += ["/dev/fd/0", "/dev/stdin"]
    trap.most = [token, os.path.join(trap.folder, "by-proc.txt"), "/proc/self/environ", "~/.netrc"]


def plant_repository(trap):
    """A project whose every setting that names a program names ours."""
    top = os.path.join(trap.folder, "project")
    os.makedirs(top, exist_ok=True)
    with open(os.path.join(top, ".gitattributes"), "w", encoding="utf-8") as f:
        f.write("*.txt diff=evil filter=evil merge=evil\n*.el filter=evil-two\n")
    for name, text in (("plain.txt", "nothing to hide\n"), ("main.c", "int main(void) { return 0; }\n"),
                       ("evil.el", "(eval-and-compile (write-region \"evil.el\\n\" nil %s t))\n(defun gate-evil () 1)\n"),
                       ("local.py", "# -*- mode: python; eval: (write-region \"cookie\\n\" nil %s t) -*-\ndef gate_f():\n    pass\n\n"
                                    "# Local Variables:\n# eval: (write-region \"local variables\\n\" nil %s t)\n# End:\n"),
                       (".dir-locals.el", "((nil . ((eval . (write-region \"dir-locals\\n\" nil %s t)) (tags-file-name . \"/sudo::/srv/TAGS\"))))\n"),
                       ("page.org", "#+SETUPFILE: /proc/self/environ\n#+INCLUDE: ~/.netrc\n* A heading\n#+begin_src sh :eval yes\nfalse\n#+end_src\n")):
        with open(os.path.join(top, name), "w", encoding="utf-8") as f:
            f.write(text.replace("%s", json.dumps(trap.ran)))
        trap.names.append(os.path.join(top, name))
    git(top, "init", "-q", "-b", "main")
    for key, value in (("user.name", "Ann"), ("user.email", "ann@example.org"), ("core.hooksPath", "/dev/null")):
        git(top, "config", key, value)
    git(top, "add", ".gitattributes", "plain.txt", "main.c", "evil.el", "local.py", "notes.txt", "server.pem", ".env")
    git(top, "commit", "-q", "-m", "First")
    git(top, "config", "--unset", "core.hooksPath")
    for name in HOOKS:
        trap.program(os.path.join(top, ".git/hooks", name), "hook " + name)
    for key in GIT_PROGRAMS:
        git(top, "config", key, trap.program(os.path.join(trap.folder, "programs", key), key))
    for key, value in GIT_SETTINGS.items():
        git(top, "config", key, value)
    git(top, "config", "remote.far.url", f"ext::{trap.folder}/programs/core.sshCommand")
    for name in SHADOWS:
        trap.program(os.path.join(top, name), "./" + name)
    trap.program(os.path.join(top, "node_modules/.bin/eslint"), "eslint")
    with open(os.path.join(top, "plain.txt"), "a", encoding="utf-8") as f:
        f.write("changed\n")
    with open(os.path.join(top, "main.c"), "a", encoding="utf-8") as f:
        f.write("/* changed */\n")
    os.utime(os.path.join(top, "evil.el"), (1, 1)) # of the size that Git knows: it has to look, through the filter
    # Another one, whose files are said to be those of the state folder.
    elsewhere = os.path.join(trap.folder, "elsewhere")
    os.mkdir(elsewhere)
    git(elsewhere, "init", "-q", "-b", "main")
    with open(os.path.join(elsewhere, "token"), "w", encoding="utf-8") as f:
        f.write("mine\n")
    git(elsewhere, "add", "token")
    git(elsewhere, "-c", "user.name=Ann", "-c", "user.email=a@example.org", "commit", "-q", "-m", "First")
    for name in ("packed-refs", "info/attributes"):
        if os.path.exists(os.path.join(elsewhere, ".git", name)):
            os.remove(os.path.join(elsewhere, ".git", name))
    git(elsewhere, "config", "core.worktree", os.path.join(trap.folder, "folder"))
    git(elsewhere, "config", "blame.ignoreRevsFile", os.path.join(trap.folder, "folder/token"))
    for name in ("packed-refs", "shallow", "info/grafts", "objects/info/alternates", "info/attributes", "MERGE_HEAD"):
        repository = os.path.join(trap.folder, "quotes-" + os.path.basename(name))
        shutil.copytree(elsewhere, repository)
        git(repository, "config", "--unset", "core.worktree")
        git(repository, "config", "--unset", "blame.ignoreRevsFile")
        os.symlink(os.path.join(trap.folder, "folder/token"), os.path.join(repository, ".git", name))
        trap.names += [repository, os.path.join(repository, "token")]
    trap.names += [top, elsewhere, os.path.join(elsewhere, "token")]


def plant_emacs(g, trap):
    """What is open, was typed and killed, as the person's Emacs has it; their hooks start what a folder has."""
    top = os.path.join(trap.folder, "project")
    word = trap.word
    trap.evaluated = word("what was evaluated")
    g.value(f'"{trap.evaluated}"') # told in a line of what agents did
    g.value("(efrit-mcp-activity)")
    g.value(f"""(progn
      (setq kill-ring nil)
      (kill-new "{word('kill-ring')}")
      (set-register ?a "{word('register')}")
      (setq minibuffer-history '("{word('minibuffer')}") file-name-history '("{word('names')}") search-ring '("{word('search')}")
            command-history '((setenv "X" "{word('command')}")) values '("{word('values')}") last-kbd-macro "{word('macro')}")
      (defvar gate-api-key "{word('key')}") (defvar gate-password "{word('password')}") (defvar gate-token '(("x" . "{word('token')}")))
      (defvar gate-copy (concat "see " (getenv "GATE_SECRET_TOKEN"))) (defvar gate-kept (list (copy-sequence (car kill-ring))))
      (defvaralias 'gate-alias 'kill-ring)
      (defvar gate-settings '((:host "x" :password "{word('setting')}") ("passwd" . "{word('entry')}"))) (defvar gate-url "https://u:{word('url')}@x.org/")
      (defvar gate-closure (let ((secret "{word('closure')}")) (lambda () secret))) (defvar gate-map '(keymap (97 . "{word('keys')}")))
      (setq killed-rectangle '("{word('rectangle')}") bookmark-alist '(("x" (front-context-string . "{word('bookmark')}"))))
      (setq url-request-extra-headers '(("Authorization" . "{word('header')}")))
      (customize-set-variable 'efrit-mcp-packs '(org vc debug))
      (dolist (hook '(python-mode-hook emacs-lisp-mode-hook c-mode-hook text-mode-hook find-file-hook))
        (add-hook hook (lambda () (unless (bound-and-true-p gate-quiet)
                                    (write-region (format "hook %s\n" major-mode) nil "{trap.ran}" t 'quiet) (flymake-mode 1)))))
      (setq exec-path (append '("." "") exec-path))
      (setenv "PATH" (concat ".:{trap.folder}/bin:" (getenv "PATH")))
      (setq exec-path (cons "{trap.folder}/bin" exec-path))
      (with-current-buffer (get-buffer-create "gate-own") ; as direnv does
        (setq-local exec-path (copy-sequence exec-path) process-environment (copy-sequence process-environment)))
      (setq org-agenda-files (list "{top}/page.org"))
      (let ((gate-quiet t) (enable-local-variables nil) (enable-dir-local-variables nil) (vc-handled-backends nil))
        (defvar gate-quiet)
        (rename-buffer-of-link-here))
      t)""".replace("(rename-buffer-of-link-here)", f"""
        (with-current-buffer (find-file-noselect "{trap.folder}/harmless.txt") (rename-buffer "gate-innocent"))
        (make-indirect-buffer (get-buffer "gate-innocent") "gate-indirect")
        (with-current-buffer (get-buffer-create "*password of gate*") (insert "{word('buffer')}"))
        (with-current-buffer (get-buffer-create " *efrit-mcp-output*") (insert "{word('output')}"))
        (switch-to-buffer (find-file-noselect "{top}/main.c"))
        (with-current-buffer (find-file-noselect "{top}/evil.el") ; the person's, whose checker is on
          (setq-local flymake-start-on-flymake-mode nil flymake-no-changes-timeout nil)
          (add-hook 'flymake-diagnostic-functions
                    (lambda (report &rest _) (write-region "checker\n" nil "{trap.ran}" t 'quiet) (funcall report nil)) nil t)
          (flymake-mode 1))
        (with-current-buffer (get-buffer-create "gate-plain") (insert "gate-visible"))"""))
    trap.most += [top, os.path.join(trap.folder, "elsewhere")]
    trap.names += ["gate-innocent", "gate-indirect", "*password of gate*", " *efrit-mcp-output*", " *efrit-mcp-program*", "main.c", "evil.el", "*efrit-mcp-activity*"]


class Look:
    """A client with the token that only looks; what it is answered is looked through."""

    def __init__(self, g, client, token, trap):
        self.client, self.trap, self.gateway = client, trap, g
        self.headers = {"Authorization": f"Bearer {token}"}
        self.calls = 0
        a = client.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "look", "version": "1"}}}, dict(self.headers, Accept=BOTH))
        self.session = a.headers["mcp-session-id"]
        check(client.legacy(self.session, "notifications/initialized", id=None, headers=self.headers).status == 202)

    def hears(self, what, answer):
        self.calls += 1
        text = answer.body.decode(errors="replace")
        for word, where in self.trap.words.items():
            check(word not in text, "the secret", where, "was told by", what, text)
        return answer

    def asks(self, method, params=None):
        return self.hears(f"{method} {params}", self.client.legacy(self.session, method, params or {}, headers=self.headers))

    def tool(self, name, arguments):
        return self.hears(f"{name} {arguments}", self.client.call(name, arguments, headers=self.headers))

    def quiet(self, what):
        ran = self.trap.what_ran()
        check(not ran, what, "ran:", ran)


class Some:
    """Of many values some, others each time; those that lead to most of the rest where a tool is tried first.  RIGHTS_EACH=1: all."""
    each = int(os.environ.get("RIGHTS_EACH", "40"))

    def __init__(self, values, always):
        self.values, self.turn = values, 0
        self.always = [v for v in values if v in always] if self.each > 1 else values

    def __call__(self, first=False, every=False):
        self.turn += 1
        return self.values if every else dict.fromkeys((self.always if first else []) + self.values[self.turn % self.each::self.each])


def fillings(schema, some):
    """Arguments by SCHEMA: each string is one of SOME values, each word of an enum beside each."""
    properties, required = schema["properties"], schema.get("required", [])
    texts = [n for n, p in properties.items() if p.get("type") == "string" and "enum" not in p and n != "instance_id"]
    choices = [(n, p["enum"]) for n, p in properties.items() if "enum" in p]
    lists = [(n, p["items"].get("enum")) for n, p in properties.items() if p.get("type") == "array"]
    flags = {n: True for n, p in properties.items() if p.get("type") == "boolean"}
    always = {n: "." for n in required if n in texts}
    if "timeout" in properties:
        always["timeout"] = 0.02 if "for" in properties else 20
    kinds = [dict(zip([n for n, _ in choices], words)) for words in itertools.product(*[words for _, words in choices])] or [{}]
    for kind in kinds:
        first = kind is kinds[0] or some.each == 1
        yield {**always, **{n: words for n, words in lists if words}, **kind}
        for name in texts:
            for value in some(first, every=first and name in ("file", "name")):
                yield {**always, **kind, name: value}
            if "line" in properties and name == "file":
                for value in some(first):
                    yield {**always, **kind, name: value, "line": 1}
        for value in some.always if first else some():
            yield {**always, **kind, **flags, **({"file": value} if "file" in texts else {})}


def every_tool(look, trap):
    tools = look.asks("tools/list").json["result"]["tools"]
    check({"emacs_read", "emacs_search", "emacs_describe", "emacs_vc", "efrit_wait"} <= {t["name"] for t in tools}, "what is to be tried is not there")
    names, variables = Some(trap.names, trap.most), Some(VARIABLES, VARIABLES[:2])
    for tool in tools:
        check(tool["annotations"]["readOnlyHint"] is True, tool["name"])
        began, before = time.monotonic(), look.calls
        for arguments in fillings(tool["inputSchema"], variables if tool["name"] == "emacs_describe" else names):
            look.tool(tool["name"], arguments)
        look.quiet(tool["name"])
        print(f"{tool['name']}: {look.calls - before} calls, {time.monotonic() - began:.2f} s")


def searches(look, trap):
    """All that there is, in every place: what would be found is skipped, and that is said."""
    project = os.path.join(trap.folder, "project")
    for where, more in itertools.product(("buffers", "project", "files"), ({}, {"regexp": True, "context": 20})):
        for folder in (trap.folder, project, os.path.join(trap.folder, "folder"), look.gateway.env["HOME"], "/proc/self"):
            look.tool("emacs_search", {"pattern": "SNTL", "in": where, "folder": folder, **more})
    for name in ("shallow", "MERGE_HEAD"):
        look.tool("emacs_vc", {"op": "blame", "line": 1, "file": os.path.join(trap.folder, "quotes-" + name, "token")})
    said = look.tool("emacs_search", {"pattern": "nothing to hide", "in": "files", "folder": trap.folder}).json["result"]
    check("plain.txt:1" in said["content"][0]["text"] and '"skipped":[' in said["content"][0]["text"], said)
    look.quiet("a search")


def every_resource(look, trap):
    for each in look.asks("resources/list").json["result"]["resources"]:
        look.asks("resources/read", {"uri": each["uri"]})
    some = Some(trap.names + VARIABLES, trap.most)
    for each in look.asks("resources/templates/list").json["result"]["resourceTemplates"]:
        template = each["uriTemplate"]
        names = [part.split("}")[0].lstrip("+") for part in template.split("{")[1:]]
        for value in some():
            for quoted in {value, urllib.parse.quote(value, safe=""), urllib.parse.quote(value.lstrip("/"))}:
                for last in ("*", "Top"):
                    uri = template
                    for n, name in enumerate(names):
                        filling = last if n and n == len(names) - 1 else quoted
                        uri = uri.replace("{" + name + "}", filling).replace("{+" + name + "}", filling)
                    look.asks("resources/read", {"uri": uri})
                    if len(names) < 2:
                        break
        for name in names:
            for typed in ("", "/", "S", "gate", trap.names[0]):
                look.asks("completion/complete", {"ref": {"type": "ref/resource", "uri": template}, "argument": {"name": name, "value": typed}})
    for each in look.asks("prompts/list").json["result"]["prompts"]:
        for value in ["x", *trap.names[:5]]:
            look.asks("prompts/get", {"name": each["name"], "arguments": {a["name"]: value for a in each.get("arguments", [])}})
        for argument in each.get("arguments", []):
            look.asks("completion/complete", {"ref": {"type": "ref/prompt", "name": each["name"]}, "argument": {"name": argument["name"], "value": ""}})
    look.quiet("a resource or prompt")


def kept(look, g, trap):
    """The long result of another client."""
    word = trap.word("kept result")
    link = [b for b in g.call("efrit_execute", {"content": f'(apply (function concat) (make-list 30000 "{word} "))', "max_chars": 1000000})["content"]
            if b["type"] == "resource_link"][0]["uri"]
    for uri in (link, link + "?block=0", link + "?range=0-99"):
        check("error" in look.asks("resources/read", {"uri": uri}).json, uri)
    path = "/api/v1/results/" + link.split("//")[1]
    check(look.hears(path, look.client.request("GET", path, headers=look.headers)).status == 404, path)


@case(emacs=True)
def look_rights():
    base = os.path.realpath(os.environ.get("TMPDIR", "/tmp"))
    state = os.path.join(base, f"elsewhere-{secrets.token_hex(4)}", "state")
    planted = {"GATE_SECRET_TOKEN": "SNTL" + secrets.token_hex(8), "GATE_PLAIN": "SNTL" + secrets.token_hex(8), "GIT_CONFIG_NOSYSTEM": "1"}
    with Gateway(config={"tokens": "alice=look,boss=full"}, settings=dict(SMALL, state=state), env=planted) as g:
        trap = Trap(os.path.join(g.base, "trap"))
        trap.words.update({value: name for name, value in planted.items() if value.startswith("SNTL")})
        foreign = os.path.join(g.base, "foreign")
        tokens = {name: g.run("token", name, f"--set=state={state}").stdout.strip() for name in ("alice", "boss")}
        before, g.token = g.token, g.run("token", f"--set=state={state}").stdout.strip()
        trap.words.update({before: "a token where the state usually is", g.token: "the token", tokens["boss"]: "the token of boss", tokens["alice"]: "its own token",
                           g.run("token", f"--set=state={foreign}").stdout.strip(): "the token of another gateway"})
        check(all(len(word) >= 16 for word in trap.words), trap.words)
        check(stat.S_IMODE(os.stat(os.path.join(state, ".not-for-agents")).st_mode) == 0o600)
        plant_files(trap, g.env["HOME"], state, foreign)
        plant_repository(trap)
        plant_programs(trap)
        g.start_emacs()
        plant_emacs(g, trap)
        if os.path.exists(trap.ran):
            os.remove(trap.ran)
        with g.client() as c:
            look = Look(g, c, tokens["alice"], trap)
            check("nothing to hide" in look.tool("emacs_read", {"file": os.path.join(trap.folder, "project/plain.txt")}).body.decode(), "it reads nothing at all")
            check("gate-visible" in look.tool("emacs_read", {"buffer": "gate-plain"}).body.decode())
            look.tool("emacs_read", {"file": os.path.join(trap.folder, "hard.txt")}) # before Emacs has seen any other name
            refused = json.loads(look.tool("emacs_read", {"file": os.path.join(state, "token")}).json["result"]["content"][0]["text"])
            check(refused["error_code"] == "efrit-mcp-secret" and "ask them" in refused["error"], refused)
            log = c.modern("resources/read", {"uri": "emacs://log"}, headers={"Mcp-Name": "emacs://log"}).body.decode()
            check(trap.evaluated in log, "who acts is not told what was done:", log)
            look.asks("resources/read", {"uri": "emacs://log"}) # as long as it is among the last
            for part in (every_tool, searches, every_resource):
                began = time.monotonic()
                part(look, trap)
                print(f"{part.__name__}: {time.monotonic() - began:.2f} s")
            kept(look, g, trap)
            print(look.calls, "calls,", len(trap.words), "secrets,", len(trap.names), "names")
        # What was planted is there, and would run.
        with open(os.path.join(trap.folder, "by-proc.txt"), encoding="utf-8") as f:
            check(f.read().strip() == g.token)
        for before in (), ("-c", "core.fsmonitor=false"): # that one may say that no file is another
            os.utime(os.path.join(trap.folder, "project/evil.el"), (2, 2 + len(before)))
            subprocess.run(["git", *before, "status"], cwd=os.path.join(trap.folder, "project"), capture_output=True, check=False)
        check("core.fsmonitor" in trap.what_ran() and "filter" in trap.what_ran(), trap.what_ran())
    shutil.rmtree(os.path.dirname(state))
