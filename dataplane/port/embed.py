#!/usr/bin/python3
"""Write FILE as a C array: embed.py FILE NAME OUTPUT."""
import pathlib
import sys

source, name, output = sys.argv[1:]
data = pathlib.Path(source).read_bytes()
rows = (", ".join(map(str, data[at:at + 20])) for at in range(0, len(data), 20))
pathlib.Path(output).write_text(
    f'#include "steer.h"\n\nconst unsigned char {name}[] = {{\n' + ",\n".join(rows)
    + f"}};\nconst size_t {name}_size = sizeof({name});\n")
