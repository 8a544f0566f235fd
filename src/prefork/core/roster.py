"""Who is in the fleet: its processes, the slots that workers fill, the generations of code."""

from collections import Counter
from itertools import count

from prefork.core.generation import Generation
from prefork.core.process import Phase, Process, Role, Step
from prefork.core.slot import Slot


class Roster:
    """The processes by id. An id is never used again, nor is a generation's number."""

    def __init__(self, slots: int, *, preload: bool) -> None:
        first = Generation(1, preload)
        self.generations = [first]  # those that slots run, or are to run; oldest first
        self._slots = {index: Slot(index, first) for index in range(slots)}  # by index
        self._vacant: dict[int, Slot] = {}  # likewise: those that a script may have filled again
        self.processes: dict[int, Process] = {}
        self.has_served = False  # some worker was admitted, ever; without slots, a pool's was ready
        self.was_announced = False  # all of it was there, ever
        self._crowds: Counter[int] = Counter()  # processes by slot
        self._last_id = 0
        self._last_generation = 1

    # -- generations ---------------------------------------------------------

    @property
    def oldest(self) -> Generation:
        return self.generations[0]

    @property
    def newest(self) -> Generation:
        return self.generations[-1]

    @property
    def next_generation(self) -> int:
        """The number that the next one will have."""
        return self._last_generation + 1

    def add_generation(self, *, preload: bool) -> Generation:
        self._last_generation += 1
        generation = Generation(self._last_generation, preload)
        self.generations.append(generation)
        return generation

    def forget_generations(self) -> None:
        """Forget those that no slot is to run; where there is no slot, the next runs the newest."""
        wanted = {slot.generation for slot in self.slots} or {self.newest}
        self.generations = [each for each in self.generations if each in wanted]

    def withdraw(self, generation: Generation) -> None:
        """Have the newest forgotten that nobody is to run, unless it is all there is."""
        if len(self.generations) > 1:
            self.generations.remove(generation)

    def generation_of(self, process: Process) -> Generation | None:
        """None: it is on its way out, and so is all of its generation."""
        found = (each for each in self.generations if each.number == process.generation)
        return next(found, None)

    def retired(self) -> list[Process]:
        """Templates that nothing needs any more: no slot, nor a child that they are to bury."""
        children = self.of(Role.WORKER) + self.of(Role.POOL)
        needed = {p.generation for p in children}
        needed |= {generation.number for generation in self.generations}
        parents = {p.parent for p in children}
        templates = self.of(Role.TEMPLATE)
        return [p for p in templates if p.generation not in needed and p.id not in parents]

    # -- processes -----------------------------------------------------------

    def add_template(self, generation: Generation, now: float, deadline: float) -> Process:
        """Put a template on the list that is to hold the generation's code."""
        generation.template = self._add(self.next_id(), Role.TEMPLATE, generation, now, deadline)
        return generation.template

    def add_hub(self, now: float, deadline: float) -> Process:
        """Put a hub on the list."""
        return self._add(self.next_id(), Role.HUB, self.newest, now, deadline)

    def add_worker(self, slot: Slot, now: float, deadline: float | None) -> Process:
        """Put a worker on the list that comes to the slot, to run what that is to run."""
        id = self.next_id() if slot.ticket is None else slot.ticket
        slot.ticket = None
        worker = self._add(id, Role.WORKER, slot.generation, now, deadline)
        worker.slot, worker.is_heir = slot.index, slot.current is not None
        worker.parent = slot.generation.template.id if slot.generation.template else None
        self._crowds[slot.index] += 1
        slot.coming = worker
        return worker

    def add_pool(
        self,
        generation: Generation,
        slot: int,
        template: Process | None,
        now: float,
        deadline: float,
    ) -> Process:
        """Put a process of the generation's pool on the list, at this place among those."""
        process = self._add(self.next_id(), Role.POOL, generation, now, deadline)
        process.slot = slot
        process.parent = None if template is None else template.id
        return process

    def next_id(self) -> int:
        """Take the id of a process to come."""
        self._last_id += 1
        return self._last_id

    def _add(
        self, id: int, role: Role, generation: Generation, now: float, deadline: float | None
    ) -> Process:
        process = Process(id, role, generation.number, now, deadline=deadline)
        self.processes[process.id] = process
        return process

    def get(self, id: int) -> Process | None:
        """None: it exited, and this fact was on its way meanwhile."""
        return self.processes.get(id)

    def remove(self, process: Process) -> None:
        """Take one that exited off the list, and off its slot."""
        if slot := self.slot_of(process):
            slot.current = None if slot.current is process else slot.current
            slot.coming = None if slot.coming is process else slot.coming
        process.advance(Step.EXIT)
        del self.processes[process.id]
        if process.role is Role.WORKER and process.slot is not None:
            self._crowds[process.slot] -= 1

    def of(self, role: Role) -> list[Process]:
        return [p for p in self.processes.values() if p.role is role]

    def stillborn(self, template: Process) -> list[Process]:
        """Children that were killed before the template, now gone, told their pids."""
        return [
            p
            for p in self.processes.values()
            if p.parent == template.id and p.pid is None and p.phase is Phase.KILLED
        ]

    def late(self, now: float) -> list[Process]:
        return [p for p in self.processes.values() if p.deadline is not None and p.deadline <= now]

    # -- slots ---------------------------------------------------------------

    @property
    def slots(self) -> list[Slot]:
        """All that are to be filled, by index."""
        return list(self._slots.values())

    def slot_at(self, index: int) -> Slot | None:
        """None: it is not to be filled any more."""
        return self._slots.get(index)

    def slot_of(self, process: Process) -> Slot | None:
        """The slot that counts on the process; None: nobody waits for it."""
        slot = None if process.slot is None else self._slots.get(process.slot)
        return slot if slot and process in (slot.current, slot.coming) else None

    def in_slot(self, index: int) -> int:
        """How many processes it holds, those on their way out included."""
        return self._crowds[index]

    def serving(self) -> int:
        """How many slots have a worker that takes connections."""
        return sum(slot.serves for slot in self.slots)

    def has_heirs(self) -> bool:
        """Whether anybody could be given the connections of one who goes."""
        current = (slot.current for slot in self.slots if slot.serves)
        return any(each is not None and not each.is_blocked for each in current)

    def all_serve(self) -> bool:
        return self.serving() == len(self._slots)

    def resize(self, wanted: int) -> list[Slot]:
        """Add slots at the end, or take the last ones away; return these."""
        removed = [self._slots.pop(index) for index in sorted(self._slots) if index >= wanted]
        for index in range(len(self._slots), wanted):
            self._slots[index] = Slot(index, self.oldest)
        return removed

    def lowest_free(self) -> int:
        """Give the lowest index at which nobody is, and nobody is to come."""
        taken = self._slots.keys() | {p.slot for p in self.of(Role.WORKER)}
        return next(index for index in count() if index not in taken)

    def occupy(self, index: int, ticket: int) -> Slot:
        """Have the slot filled, by a worker of this id. It remembers who died there."""
        slot = self._vacant.pop(index, None) or Slot(index, self.newest)
        slot.generation, slot.ticket = self.newest, ticket
        self._slots = dict(sorted([*self._slots.items(), (index, slot)]))
        return slot

    def vacate(self) -> None:
        """Leave those slots empty that nobody is in, or is to come to."""
        for index, slot in list(self._slots.items()):
            if slot.current is None and slot.coming is None and slot.ticket is None:
                self._vacant[index] = self._slots.pop(index)
