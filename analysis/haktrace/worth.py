"""What each part of hakmem is worth on traces, as text: `python -m haktrace.worth TRACE...`."""

from __future__ import annotations

import argparse

from haktrace.ablation import MEASURES, ablate


def main() -> None:
    """Prints the ratios and their intervals; `~` where no difference can be told."""
    parser = argparse.ArgumentParser(prog="haktrace.worth", description=__doc__.partition(":")[0])
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--optional", action="store_true", help="with rules and learning put in")
    parser.add_argument("traces", nargs="+", metavar="TRACE")
    options = parser.parse_args()
    parts = ablate(options.traces, options.repeat, optional=options.optional)
    for place, row in zip(parts.index, parts.to_dict("records"), strict=True):
        cells = [
            f"{measure} {'' if row[(measure, 'distinct')] else '~'}{row[(measure, 'ratio')]:.3f}"
            f" ({row[(measure, 'ratio_low')]:.3f} .. {row[(measure, 'ratio_high')]:.3f})"
            for measure in MEASURES
        ]
        print(f"{place[0]:12} {place[1]:6} {'  '.join(cells)}")


if __name__ == "__main__":
    main()
