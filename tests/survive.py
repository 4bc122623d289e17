#!/usr/bin/env python3
"""What must neither end an Emacs nor leave it unusable, one case after the other.

usage: survive.py CASE | --list

Each case starts a real Emacs ($EMACS) with a buffer of unsaved text, does its worst by
jobs and by what a person's own Lisp does, and then checks that Emacs lives, that the next
call is answered, that the settings are the person's, and that the text is there."""
import os
import re
import resource
import signal
import subprocess
import sys
import time

import patience
import stop

SETTINGS = "(list debugger debug-on-event debug-on-quit debug-on-error debug-on-signal debug-on-next-call inhibit-interaction throw-on-input signal-hook-function inhibit-message (default-toplevel-value 'inhibit-quit) max-lisp-eval-depth)"
# What the person's Emacs has before: unsaved text, and a timer that notes the settings outside of jobs.
PERSON = f"""
(setq native-comp-deferred-compilation nil native-comp-jit-compilation nil comp-files-queue nil) ; see stop.el
(mapc #'delete-process (process-list))
(with-current-buffer (get-buffer-create "unsaved") (insert "the person's text"))
(defvar survive-now nil)
(defvar survive-before {SETTINGS})
(defun survive-note () (unless efrit-mcp-server--busy (setq survive-now {SETTINGS})))
(byte-compile 'survive-note)
(defun survive-work (s) (let ((end (+ (float-time) s))) (while (< (float-time) end) (format "x"))))
(byte-compile 'survive-work)
"""
REPORT = """(list :text (with-current-buffer "unsaved" (buffer-string)) :same (equal survive-before survive-now)
 :now survive-now :before survive-before)"""


class Person(stop.Emacs):
    """An Emacs of a person, who has evaluated LISP."""

    def __init__(self, mode, lisp=""):
        self.lisp = lisp
        super().__init__(mode, quiet=True)

    def arguments(self):
        return ["--eval", "(progn %s)" % PERSON, "--eval", "(progn %s)" % self.lisp] if self.lisp else ["--eval", "(progn %s)" % PERSON]


def until(condition, what, seconds=60):
    limit = patience.Limit(seconds)
    while not condition():
        if limit.over():
            raise AssertionError("in vain: " + what)
        time.sleep(0.01)


def settled(emacs, peer):
    """Emacs lives, answers, and nothing of the person's is touched."""
    if emacs.process.poll() is not None:
        raise AssertionError("Emacs ended with status %s: %s" % (emacs.process.returncode, emacs.tail()))
    peer.eval("(progn (setq survive-now nil) (run-with-timer 0 nil #'survive-note) nil)", observe="none")
    report = ""

    def noted():
        nonlocal report
        report = peer.eval(REPORT, observe="none").get("result", "")
        return ":now nil" not in report

    until(noted, "the settings outside of a job")
    assert "the person's text" in report and ":same t" in report, report


def succeed(peer, form, result=None, **arguments):
    answer = peer.eval(form, **dict({"observe": "none"}, **arguments))
    assert answer.get("status") == "success", "%s: %s" % (form, answer)
    assert result is None or answer["result"] == result, "%s: %s" % (form, answer)
    return answer


# ---- Lisp threads ----

def beside_threads(mode):
    """A job that is to stop waits while another Lisp thread holds Emacs: that one goes on to its end."""
    emacs = Person(mode)
    try:
        peer = emacs.connect()
        for wait in ("(sleep-for 5)", "(while t (accept-process-output nil 5))", "(thread-join thread)", "(sit-for 5)",
                     "(accept-process-output (make-pipe-process :name \"x\" :noquery t) 5 nil t)"):
            thread = "(setq done nil thread (make-thread (lambda () (sleep-for 0.05) (survive-work 0.9) (setq done t))))"
            answer = peer.eval("(progn %s %s)" % (thread, wait), 250, observe="none")
            # The end of what is waited for may come before the stop is heard.
            assert answer.get("error_code") == "timeout" or "join" in wait, (wait, answer)
            until(lambda: peer.eval("done", observe="none").get("result") == "t", "the other thread's end after " + wait)
            succeed(peer, "(list (thread-live-p thread) (thread-last-error t))", "(nil nil)")
            settled(emacs, peer)
        # One that lets go all the time, which a quit would reach soon.
        succeed(peer, "(progn (setq n 0 quits 0 more t) (setq thread (make-thread (lambda () (while more (condition-case nil (progn (setq n (1+ n)) (format \"x\") (thread-yield)) (quit (setq quits (1+ quits)))))))) nil)")
        for _ in range(20):
            answer = peer.answer(peer.call("(let ((end (+ 5 (float-time)))) (while (< (float-time) end) (accept-process-output nil 0.001)))", 30, observe="none"))
            assert answer.get("error_code") == "timeout", answer
        succeed(peer, "(progn (setq more nil) (thread-join thread) (list quits (> n 10) (thread-last-error t)))", "(0 t nil)")
        settled(emacs, peer)
    finally:
        emacs.end()


# ---- the person's debugger ----

DEBUG = "(setq debug-on-error t debug-on-signal t debug-on-quit t) (setq survive-before %s)" % SETTINGS


def beside_a_debugger(mode):
    """The person debugs all there is: no answer enters their debugger, which ends a daemon without a frame."""
    emacs = Person(mode)
    try:
        peer = emacs.connect()
        succeed(peer, "(progn (run-with-timer 0 nil (lambda () %s)) nil)" % DEBUG) # a daemon does not start with these
        until(lambda: peer.eval("(default-toplevel-value 'debug-on-signal)")["result"] == "t", "the settings")
        for form in ('(make-string 600 ?a)', '(make-string 600 ?é)', '(make-string 100000 ?a)', '(make-string 1000000 ?é)',
                     '"a\\377b"', '(string-to-multibyte (make-string 700 255))', '(string ?é #x3fffff)', '(string #x200000)',
                     '(list 1 (expt 2 70) (- (expt 2 90)) 1.5 0.0e+NaN)', "'(a . b)", "(let ((l (list 1 2))) (setcdr (cdr l) l) l)",
                     '(message "%s" (make-string 900 ?x))', "(buffer-list)", "(symbol-function 'car)"):
            for observe in ("none", "brief", "full"):
                answer = peer.eval(form, observe=observe)
                assert answer.get("status") == "success", "%s: %s" % (form, answer)
        for form, code in (("(error \"x\")", "error"), ("(car 1)", "wrong-type-argument"), ("(signal 'no-such nil)", "no-such"),
                           ("(read \"(\")", "end-of-file"), ("(throw 'nobody 1)", "no-catch"), ("(signal 'quit nil)", "quit"),
                           ("(read-string \"?\")", "inhibited-interaction"), ("(top-level)", "no-catch")):
            answer = peer.eval(form)
            assert answer.get("error_code") == code, "%s: %s" % (form, answer)
        for form in ("(while t)", "(sleep-for 9)", "(condition-case nil (while t) (quit 1))"):
            answer = peer.eval(form, 50)
            assert answer.get("error_code") in ("timeout", None), answer
        for tool, arguments in (("emacs_read", {"file": "/no/such"}), ("emacs_read", {"buffer": "no such"}), ("efrit_describe", {}),
                                ("emacs_edit", {"buffer": "unsaved", "edits": [{"old": "no such text", "new": "x"}]}), ("no_such", {})):
            peer.answer(peer.call("", tool=tool, **arguments))
        succeed(peer, "(progn (run-hooks 'efrit-mcp-tool-changed-hook) 1)", "1")
        settled(emacs, peer)
    finally:
        emacs.end()


# ---- a stack overflow ----

OVERFLOW = """(let ((max-lisp-eval-depth 1000000000) (max-specpdl-size 1000000000) (inhibit-read-only t) (inhibit-message t))
 (defun survive-deep (n) (1+ (survive-deep (1+ n)))) (survive-deep 0))"""


def overflow(mode):
    """A job uses up the C stack: the call is answered, the next ones too, the person can do all they could."""
    emacs = Person(mode)
    try:
        peer = emacs.connect()
        for round_ in range(3):
            answer = peer.eval(OVERFLOW, 20000)
            assert answer.get("error_code") == "stack_overflow", answer
            succeed(peer, "(+ 1 2)", "3")
            settled(emacs, peer)
            peer.answer(peer.call("(while t)", 30))
            settled(emacs, peer)
        if mode == "terminal": # the person comes first: no call after the overflow
            ident = peer.call(OVERFLOW, 20000)
            emacs.type(b"\030\006" + emacs.dir.encode() + b"/seen\rwritten\030\023")
            assert peer.answer(ident).get("error_code") == "stack_overflow"
            until(lambda: os.path.exists(emacs.dir + "/seen"), "C-x C-f and C-x C-s of the person")
            settled(emacs, peer)
            emacs.type(b"\030\003")
            time.sleep(0)
            until(lambda: emacs.process.poll() is not None or emacs.type(b"yes\r") or emacs.process.poll() is not None, "C-x C-c of the person")
    finally:
        emacs.end()


# ---- throws past the job ----

def throws(mode):
    """A job, and what runs inside it, throws to the command loop or to nobody: it ends, and nothing else does."""
    emacs = Person(mode)
    try:
        peer = emacs.connect()
        inner = ["(top-level)", "(throw 'top-level nil)", "(throw 'exit t)", "(throw 'exit nil)", "(abort-recursive-edit)",
                 "(exit-recursive-edit)", "(exit-minibuffer)", "(throw 'nobody 1)", "(signal 'quit nil)", "(keyboard-quit)",
                 "(signal 'no-such-condition '(1))", "(error \"x\")"]
        outer = ["%s", "(progn (run-with-timer 0.01 nil (lambda () %s)) (sleep-for 0.1))",
                 "(progn (run-with-timer 0.01 nil (lambda () %s)) (sit-for 0.1))",
                 "(let ((p (start-process \"x\" nil \"echo\"))) (set-process-filter p (lambda (&rest _) %s)) (accept-process-output p 1) (sleep-for 0.02))",
                 "(let ((p (start-process \"x\" nil \"true\"))) (set-process-sentinel p (lambda (&rest _) %s)) (while (process-live-p p) (sleep-for 0.02)))",
                 "(progn (run-with-timer 0.01 nil (lambda () %s)) (recursive-edit))",
                 "(unwind-protect %s (sleep-for 0.01))", "(with-temp-buffer (add-hook 'kill-buffer-hook (lambda () %s) nil t))"]
        for wrap in outer:
            for form in inner:
                if "process" in wrap and form not in inner[:4]:
                    continue # Emacs rests for a second or two after an error; after a quit it may crash, also without us
                answer = peer.eval(wrap % form, 3000, observe="none")
                assert answer.get("status"), (wrap % form, answer)
                succeed(peer, "(list efrit-mcp-tool-client (recursion-depth))", '("test" 0)')
            settled(emacs, peer)
        # A clean-up form throws in the place of the stop, and a loop around it would go on.
        for clean_up in ("(while t)", "(sleep-for 9)"):
            for form in ("(%s)", "(funcall (byte-compile '(lambda () (%s))))"):
                loop = "while t (catch 'x (unwind-protect %s (throw 'x 1)))" % clean_up
                answer = peer.eval(form % loop, 20, observe="none")
                assert answer.get("error_code") == "timeout", answer
                succeed(peer, "(+ 1 2)", "3")
        settled(emacs, peer)
    finally:
        emacs.end()


# ---- the doorbell ----

FILE = "(seq-find #'file-readable-p (efrit-mcp-native--candidates))"
TAMPERING = [
    "(set-process-filter d #'ignore)", "(set-process-filter d t)", "(stop-process d)", "(delete-process d)",
    "(progn (set-process-sentinel d #'ignore) (delete-process d))", "(set-process-thread d nil)", "(set-process-buffer d nil)",
    "(kill-buffer (process-buffer d))", "(set-process-coding-system d 'utf-16 'utf-16)", "(ignore-errors (process-send-eof d))",
    "(module-load %s)" % FILE,
    "(progn (setq features (delq 'efrit-mcp-module features)) (efrit-mcp-native-load efrit-mcp-version))",
    "(let ((f (make-temp-file \"m\" nil \".so\"))) (copy-file %s f t) (unwind-protect (ignore-errors (module-load f)) (delete-file f)))" % FILE,
]


def doorbell(mode):
    """The doorbell's process is tampered with, the module is loaded again: agents are heard again."""
    emacs = Person(mode, "(setq efrit-mcp-heartbeat 1)")
    try:
        peer = emacs.connect()
        for form in TAMPERING:
            succeed(peer, "(let ((d efrit-mcp-server--doorbell)) %s nil)" % form)
            succeed(peer, "(+ 1 2)", "3")
        settled(emacs, peer)
        for form in TAMPERING[:5:2]: # by the person, outside of a job: the thread notices
            succeed(peer, "(progn (setq done nil) (run-with-timer 0.05 nil (lambda () (let ((d efrit-mcp-server--doorbell)) %s) (write-region \"\" nil \"tampered\" nil 0))) nil)" % form)
            until(lambda: os.path.exists(emacs.dir + "/tampered"), form)
            os.unlink(emacs.dir + "/tampered")
            succeed(peer, "(+ 1 2)", "3")
        settled(emacs, peer)
    finally:
        emacs.end()


# ---- advice and hooks of ours, and our Lisp itself ----

GUARDS = [
    "(advice-remove 'read-key #'efrit-mcp-prompt--refuse)", "(advice-remove 'sit-for #'efrit-mcp-prompt--sit-for)",
    "(advice-mapc (lambda (f _) (advice-remove 'read-key-sequence f)) 'read-key-sequence)",
    "(fset 'read-key (lambda (&rest _) (read-event)))", "(advice-add 'read-key :around #'survive-around)",
    "(setq post-command-hook nil pre-command-hook nil minibuffer-setup-hook nil)", "(setq kill-emacs-hook nil efrit-mcp-tool-changed-hook nil)",
    "(mapc (lambda (v) (remove-variable-watcher v #'efrit-mcp-prompt--watch)) '(last-nonmenu-event standard-input))",
    "(makunbound 'minibuffer-exit-hook)", "(define-key special-event-map (vector efrit-mcp-server--signal) 'ignore)", "(advice-remove 'debug #'efrit-mcp-debugger--enter)",
]
GUARDED = """(list (and (eq 'no (condition-case nil (progn (read-key) 'yes) (inhibited-interaction 'no)))
  (eq 'no (condition-case nil (progn (read-key-sequence "?") 'yes) (inhibited-interaction 'no)))
  (progn (sit-for 0.001) t) (memq 'efrit-mcp-recover (default-value 'post-command-hook)) (memq 'efrit-mcp-prompt--note minibuffer-setup-hook)
  (memq 'efrit-mcp-server--goodbye kill-emacs-hook) (memq 'efrit-mcp-server-announce efrit-mcp-tool-changed-hook)
  (memq 'efrit-mcp-prompt--watch (get-variable-watchers 'standard-input)) (advice-member-p 'efrit-mcp-debugger--enter 'debug)
  (eq 'efrit-mcp-recover (lookup-key special-event-map (vector efrit-mcp-server--signal))) t))"""


def guards(mode):
    """Advice, hooks and watchers of ours that were taken away are there again in the next job."""
    emacs = Person(mode, "(defun survive-around (f &rest a) (apply f a))")
    try:
        peer = emacs.connect()
        for form in GUARDS:
            succeed(peer, "(progn %s nil)" % form)
            succeed(peer, GUARDED, "(t)")
        for form in GUARDS[:8:3]: # outside of a job
            succeed(peer, "(progn (setq done nil) (run-with-timer 0 nil (lambda () %s (setq done t))) nil)" % form)
            until(lambda: peer.eval("done", observe="none").get("result") == "t", form)
            succeed(peer, GUARDED, "(t)")
        settled(emacs, peer)
    finally:
        emacs.end()


def unloaded(mode):
    """Our Lisp is unloaded: by a job it is refused, for the person the server is stopped first."""
    for feature in ("efrit-mcp-server", "efrit-mcp-guards", "efrit-mcp-diff"):
        emacs = Person(mode)
        try:
            peer = emacs.connect()
            answer = peer.eval("(unload-feature '%s t)" % feature, observe="none")
            assert "cannot be unloaded while a job runs" in answer.get("error", ""), answer
            settled(emacs, peer)
            told = "(lambda () (unload-feature '%s t) (write-region (format \"%%S\" (list efrit-mcp-mode (featurep '%s) (condition-case e (efrit-mcp-mode 1) (error (cadr e))))) nil \"told\" nil 0))"
            succeed(peer, "(progn (run-with-timer 0 nil %s) nil)" % (told % (feature, feature)))
            until(lambda: os.path.exists(emacs.dir + "/told") and os.path.getsize(emacs.dir + "/told"), "the end of serving")
            assert not os.path.exists(emacs.path), "its socket is still there"
            with open(emacs.dir + "/told", encoding="utf-8") as f:
                said = f.read()
            assert said.startswith("(nil nil ") and feature + " has been unloaded" in said, said
            assert emacs.process.poll() is None, emacs.tail()
        finally:
            emacs.end()


# ---- memory ----

def memory(mode):
    """A form uses up the memory there is: it is told so, what it made is freed, and Emacs goes on."""
    if "san" in os.environ.get("B", ""):
        print("the address sanitizer reserves more memory than the limit")
        return
    emacs = Person(mode)
    try:
        peer = emacs.connect()
        with open("/proc/%d/statm" % emacs.process.pid, encoding="ascii") as f:
            now = int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.prlimit(emacs.process.pid, resource.RLIMIT_AS, (now + (100 << 20), resource.RLIM_INFINITY))
        answer = peer.eval("(let ((gc-cons-threshold most-positive-fixnum) l) (while t (push (list 1 2) l)))")
        assert answer.get("error_code") == "memory_exhausted", answer
        succeed(peer, "(+ 1 2)", "3")
        settled(emacs, peer)
    finally:
        emacs.end()


# ---- change hooks ----

HOOKED = """
(defvar survive-begun 0) (defvar survive-ended 0)
(defun survive-hook (&rest _) (setq survive-begun (1+ survive-begun)) (dotimes (i 60) (format "x")) (setq survive-ended (1+ survive-ended)))
(defun survive-everywhere (_begin _end _length) (dotimes (i 20) (format "x")))
(defun survive-insert (what) (with-current-buffer "edited" (while t (insert what) (when (> (buffer-size) 5000) (erase-buffer)))))
(mapc #'byte-compile '(survive-hook survive-everywhere survive-insert))
(add-hook 'after-change-functions #'survive-everywhere)
(with-current-buffer (get-buffer-create "edited")
  (emacs-lisp-mode) (font-lock-mode 1) (jit-lock-register #'font-lock-fontify-region)
  (add-hook 'before-change-functions #'survive-hook nil t)
  (add-hook 'after-change-functions (lambda (_b _e _l) (dotimes (i 5) (format "x"))) nil t))
(defun survive-hooks () (with-current-buffer "edited" (list before-change-functions after-change-functions (default-value 'after-change-functions))))
(defvar survive-hooks-before (survive-hooks))
"""
SAME_HOOKS = "(list (or (seq-every-p #'null (seq-mapn #'seq-difference survive-hooks-before (survive-hooks))) (cons survive-hooks-before (survive-hooks))) (- survive-begun survive-ended) (not (memq 'jit-lock-after-change (nth 1 (survive-hooks)))))"


def hooks(mode):
    """A job is stopped inside change hooks, local ones and global: they stand where they stood, and ended."""
    emacs = Person(mode, HOOKED)
    try:
        peer = emacs.connect()
        for i in range(ROUNDS):
            form = ("(survive-insert \"x\\n\")", "(let ((inhibit-quit t)) (survive-insert \"(defun f ())\"))",
                    "(condition-case nil (survive-insert \"x\") (quit nil))",
                    "(progn (insert \"x\") (survive-insert \"y\"))")[i % 4]
            answer = peer.eval(form, 5 + i % 7, observe="none")
            assert answer.get("error_code") == "timeout" or "condition-case" in form, answer
            succeed(peer, SAME_HOOKS, "(t 0 nil)")
        settled(emacs, peer)
        # Emacs would call the hook that a stop has left in whatever buffer is changed next.
        for hook, where in (("insert-in-front-hooks", 2), ("insert-behind-hooks", 4)):
            form = "(progn (setq n 0) (with-temp-buffer (insert \"abc\") (put-text-property 2 4 '%s (list (lambda (&rest _) (setq n (1+ n)) (while (= n 1))))) (goto-char %d) (insert \"x\")))"
            answer = peer.eval(form % (hook, where), 20, observe="none")
            assert answer.get("error_code") == "timeout", answer
            succeed(peer, "(progn (with-temp-buffer (insert \"y\")) n)", "1")
        # One that waits is waited for; one that never ends is cut, and put back.
        before = "(progn (setq survive-begun 0 survive-ended 0 survive-slow %s) (with-current-buffer \"edited\" (insert \"x\")) 1)"
        succeed(peer, "(progn (defun survive-last (&rest _) (setq survive-begun (1+ survive-begun)) (eval survive-slow t) (setq survive-ended (1+ survive-ended))) (defvar survive-slow nil) (with-current-buffer \"edited\" (add-hook 'after-change-functions #'survive-last t t)) (setq survive-hooks-before (survive-hooks)) nil)")
        for slow, ended in (("'(sleep-for 0.15)", 0), ("'(let ((end (+ (float-time) 0.15))) (while (< (float-time) end)))", 0),
                            ("'(while t)", 1), ("'(sleep-for 60)", 1), ("'(condition-case nil (while t) (quit 1))", 1)):
            answer = peer.eval(before % slow, 20, observe="none")
            assert answer.get("error_code") == "timeout" or (ended == 0 and answer["status"] == "success"), answer
            until(lambda: peer.status()["state"] == "idle", "the end of " + slow)
            succeed(peer, SAME_HOOKS, "(t %d nil)" % ended)
        settled(emacs, peer)
    finally:
        emacs.end()


# ---- C-g ----

# C code that never looks whether it should quit, for a second or so.
DEAF = "(let ((integer-width 1000000000)) (length (format \"%%d\" (expt 7 %d))))"


def keyboard(mode):
    """One C-g of the person while a stop is under way in C code that does not look is no emergency escape."""
    emacs = Person(mode)
    try:
        peer = emacs.connect()
        peer.socket.settimeout(60)
        for i in range(3):
            began = peer.call(DEAF % 8000000, 60, observe="none")
            until(lambda: peer.status().get("running", {}) and peer.status()["running"].get("stopping"), "the stop")
            time.sleep(0.1) # a signal is on its way 2 ms after that; more C-g than needed do no harm to what is tested
            emacs.type(b"\007")
            answer = peer.answer(began)
            assert answer.get("error_code") == "timeout", answer
            succeed(peer, "(+ 1 2)", "3")
            settled(emacs, peer)
        # Outside of a stop a C-g is what it was.
        ident = peer.call("(while t)", 60000, observe="none")
        until(lambda: peer.status()["state"] == "running", "the loop")
        emacs.type(b"\007")
        assert peer.answer(ident).get("error_code") == "quit"
        settled(emacs, peer)
    finally:
        emacs.end()


ROUNDS = int(os.environ.get("SURVIVE_ROUNDS", "12"))
CASES = {"threads": (beside_threads, "daemon"), "debugger": (beside_a_debugger, "daemon", "batch"),
         "overflow": (overflow, "daemon", "terminal"), "doorbell": (doorbell, "daemon"),
         "throws": (throws, "daemon"), "guards": (guards, "daemon"), "unloaded": (unloaded, "daemon"), "memory": (memory, "daemon"), "hooks": (hooks, "daemon"), "keyboard": (keyboard, "terminal")}


def main():
    if sys.argv[1] == "--list":
        print("\n".join(CASES))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    case, *modes = CASES[sys.argv[1]]
    for mode in sys.argv[2:] or modes:
        began = time.monotonic()
        case(mode)
        print("%s in a %s: passed" % (case.__doc__, mode), "%.1f s" % (time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
