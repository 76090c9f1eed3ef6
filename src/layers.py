"""The layers, and which each may use: an include points only down. The one table.

usage: layers.py FOLDER: makes FOLDER/<layer>/ with links to the layers that it sees, itself among them;
the compiler gets it as include path, so that an upward include does not compile."""
import pathlib
import sys

BELOW = {
    "base": [],
    "codec": ["base"],
    "crypto": ["base"],
    "evidence": ["base", "codec", "crypto"],
    "appraise": ["base", "codec", "crypto", "evidence"],
    "token": ["base", "codec", "crypto", "evidence", "appraise"],
    "attester": ["base", "codec", "crypto", "evidence"],
    "channel": ["base", "codec", "crypto", "evidence", "appraise", "token", "attester"],
}
BELOW["service"] = list(BELOW)
BELOW["cli"] = list(BELOW)


def main():
    source = pathlib.Path(__file__).resolve().parent
    for layer, below in BELOW.items():
        folder = pathlib.Path(sys.argv[1]) / layer
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for seen in [*below, layer]:
            (folder / seen).symlink_to(source / seen, target_is_directory=True)


if __name__ == "__main__":
    main()
