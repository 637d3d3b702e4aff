"""A supervisor that is too simple to be wrong: OTP's algorithm, but every start and stop is over at once."""

from callboard.actors.exits import Exit, is_normal
from callboard.supervision.specs import AnyChild, Supervisor


class Simple:
    """One supervisor and its children, in plain lists and dicts. No back-off."""

    def __init__(self, spec: Supervisor) -> None:
        self.spec = spec
        self.now = 100.0
        self.broken: set[str] = set()
        """Children that cannot start."""
        self.specs: dict[str, AnyChild] = {child.name: child for child in spec.children}
        self.status = dict.fromkeys(self.specs, "down")
        self.times: list[float] = []
        """When each restart was, of all time."""
        self.again: list[str] = []
        """Restarts that failed and are to be tried again."""
        self.steps: list[str] = []
        self.ended = False

    def begin(self) -> None:
        """Start all, or none."""
        if self._start(list(self.specs)):
            self.end()

    def end(self) -> None:
        """Stop all."""
        self._stop([name for name in self.specs if self.status[name] == "running"], keep=True)
        self.ended = True

    def exit(self, name: str, exit: Exit) -> None:
        """A child ends by itself."""
        if self.ended or self.status.get(name) != "running":
            return
        child = self.specs[name].terms
        if child.restart == "permanent" or (child.restart == "transient" and not is_normal(exit)):
            self._restart(name)
            return
        self._settle(name)
        counting = [each for each in self.specs if self.specs[each].terms.significant]
        left = [each for each in counting if self.status[each] != "down"]
        if child.significant and (self.spec.auto_shutdown == "any_significant" or not left):
            self.end()

    def try_again(self) -> None:
        """The retries whose time has come."""
        again, self.again = self.again, []
        for name in again:
            if not self.ended and self.status.get(name) == "restarting":
                self._restart(name)

    def request(self, verb: str, child: AnyChild) -> str:
        """One of the four requests."""
        known = self.status.get(child.name)
        if self.ended:
            return "shutting_down"
        if verb == "start":
            return self._add(child)
        if known is None:
            return "not_found"
        if verb == "terminate":
            self._stop([child.name])
        elif known != "down":
            return known
        elif verb == "restart":
            return "failed" if self._start([child.name]) else "ok"
        else:
            del self.specs[child.name], self.status[child.name]
        return "ok"

    def _add(self, child: AnyChild) -> str:
        name, known = child.name, self.status.get(child.name)
        if child.terms.significant and self.spec.auto_shutdown == "never":
            return "invalid"
        if known:
            return "already_started" if known == "running" else "already_present"
        self.specs[name] = child
        failed = self._start([name])
        if failed:
            del self.specs[name], self.status[name]
        return "failed" if failed else "ok"

    def _restart(self, name: str) -> None:
        self.status[name] = "down"
        self.times.append(self.now)
        if len([at for at in self.times if at >= self.now - self.spec.period]) > self.spec.intensity:
            self.end()
            return
        names = list(self.specs)
        after = names[names.index(name) :]
        group = {"one_for_one": [name], "one_for_all": names, "rest_for_one": after}[self.spec.strategy]
        self._stop([each for each in group if each != name])
        failed = self._start([each for each in group if each in self.specs])
        if failed:
            self.status[failed] = "restarting"
            self.again.append(failed)

    def _start(self, names: list[str]) -> str:
        """Start them in order up to one that fails; its name."""
        for name in names:
            self.steps.append(f"+{name}")
            if name in self.broken:
                self.status[name] = "down"
                return name
            self.status[name] = "running"
        return ""

    def _stop(self, names: list[str], *, keep: bool = False) -> None:
        for name in reversed(names):
            if self.status[name] == "running":
                self.steps.append(f"-{name}")
            if keep:
                self.status[name] = "down"
            else:
                self._settle(name)

    def _settle(self, name: str) -> None:
        self.status[name] = "down"
        if self.specs[name].terms.restart == "temporary":
            del self.specs[name], self.status[name]
