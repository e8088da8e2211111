"""What the benchmark must know of an ELF file: where its code is, and which code one unit has."""

import random
import struct
from dataclasses import dataclass
from pathlib import Path

PF_X, PT_LOAD, PAGE = 1, 1, 4096


@dataclass(frozen=True)
class Section:
    name: str
    address: int
    offset: int
    size: int


class Elf:
    """A 64-bit little-endian ELF file."""

    def __init__(self, path):
        self.path = Path(path)
        with open(path, "rb") as file:
            header = file.read(64)
            if header[:6] != b"\x7fELF\x02\x01":
                raise ValueError(f"{path} is no 64-bit little-endian ELF file")
            self._file = file
            program_offset, section_offset = struct.unpack_from("<QQ", header, 32)
            program_size, programs, section_size, sections, names = struct.unpack_from("<HHHHH", header, 54)
            self.segment = self._code_segment(program_offset, program_size, programs)
            self.sections = self._sections(section_offset, section_size, sections, names)
            self._aranges = self._bytes(self.sections.get(".debug_aranges"))
        text = self.sections[".text"]
        self.text = (text.address, text.address + text.size)
        self.debug_bytes = sum(s.size for s in self.sections.values() if s.name.startswith((".debug", ".zdebug")))

    def _at(self, offset, size):
        self._file.seek(offset)
        return self._file.read(size)

    def _bytes(self, section):
        return self._at(section.offset, section.size) if section else b""

    def _code_segment(self, offset, size, count):
        """Start, end and file offset of the executable segment, in whole pages, as the kernel would map it."""
        for index in range(count):
            header = struct.unpack("<IIQQQQ", self._at(offset + index * size, 40))
            kind, flags, file_offset, address, _, file_size = header
            if kind == PT_LOAD and flags & PF_X:
                end = -(-(address + file_size) // PAGE) * PAGE
                return address // PAGE * PAGE, end, file_offset // PAGE * PAGE
        raise ValueError(f"{self.path} has no executable segment")

    def _sections(self, offset, size, count, names):
        headers = [struct.unpack("<IIQQQQ", self._at(offset + i * size, 40)) for i in range(count)]
        strings = self._at(headers[names][4], headers[names][5])
        found = {}
        for name, _, _, address, file_offset, length in headers:
            text = strings[name : strings.index(b"\0", name)].decode()
            found[text] = Section(text, address, file_offset, length)
        return found

    def units(self):
        """The address ranges of each unit that .debug_aranges lists; nothing where there is no such section."""
        data, at = self._aranges, 0
        while at + 16 <= len(data):
            length, version, unit, address_size, _ = struct.unpack_from("<IHIBB", data, at)
            if version != 2 or address_size != 8:
                return
            begin, end = at + 16, at + 4 + length
            pairs = struct.iter_unpack("<QQ", data[begin : begin + (end - begin) // 16 * 16])
            yield unit, [(start, start + size) for start, size in pairs if size]
            at = end

    def widest_unit(self):
        """The ranges inside .text of the unit with the most code, or none."""
        low, high = self.text
        inside = ([r for r in ranges if low <= r[0] and r[1] <= high] for _, ranges in self.units())
        return max(inside, key=lambda ranges: sum(end - start for start, end in ranges), default=[])


def draw(ranges, count, seed):
    """`count` distinct addresses, uniform over `ranges`, sorted; all of them when there are fewer."""
    sizes = [end - start for start, end in ranges]
    total = sum(sizes)
    places = sorted(random.Random(seed).sample(range(total), min(count, total)))
    addresses, before, index = [], 0, 0
    for place in places:
        while place - before >= sizes[index]:
            before += sizes[index]
            index += 1
        addresses.append(ranges[index][0] + place - before)
    return sorted(set(addresses))
