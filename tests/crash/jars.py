"""A program that tells a jar one number after the other, and says on stdout which are acknowledged."""

import resource
import sys

from callboard import Actor, Node, handler
from callboard.cluster.running import run


class Jar(Actor, type_name="disks.Jar"):
    """Hears the numbers from 1 on, each once and in order, and counts how far that holds."""

    heard: int = 0
    odd: int = 0

    @handler
    async def put(self, number: int, pad: str = "") -> None:
        if number == self.heard + 1:
            self.heard = number
        else:
            self.odd += 1

    @handler
    async def show(self) -> int:
        assert not self.odd
        return self.heard


async def main(node: Node) -> None:
    """Tell until killed; each argument behind the store is an option."""
    options = dict(option.split("=") for option in sys.argv[2:])
    jar = await node.spawn(Jar(), name="jar")
    if "paused" in options:
        await node.pause(jar)
    if "file_size" in options:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(options["file_size"]), resource.RLIM_INFINITY))
    for number in range(1, 100_000):
        await jar.tell(Jar.put(number, "x" * int(options["size"])))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    quotas = [int(option.removeprefix("quota=")) for option in sys.argv[2:] if option.startswith("quota=")]
    run(main, store=sys.argv[1], types=[Jar], quota=quotas[0] if quotas else None)
