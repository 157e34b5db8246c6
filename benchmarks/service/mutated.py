"""Sends damaged uploads to `efficientfan serve`: each must get an answer, and none a 5xx but 503.

    python benchmarks/service/mutated.py --count 10000

The uploads are those of `python benchmarks/fuzz.py uploads`, here over connections to a service with its packaged
models and its child processes. What is answered otherwise is written to --failures. --record writes the numbers of
answers to mutated.csv.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx2

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "helpers"))

from fuzzing.images import drawn_images
from fuzzing.uploads import Upload, drawn_upload

sys.path.insert(0, str(Path(__file__).parents[1]))
from tables import write_rows  # of the folder above


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument(
        "--record", action="store_true", help="write the numbers to benchmarks/service/mutated.csv"
    )
    parser.add_argument("--failures", type=Path, default=Path("failures"))
    args = parser.parse_args()
    files, statuses, failed = drawn_images(), Counter[str](), 0
    command = [sys.executable, "-m", "efficientfan.cli.main", "serve", "--port", "0", "--model", "fast"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        ThreadPoolExecutor(args.clients + 1) as pool,
    ):
        try:
            address = json.loads(process.stdout.readline())["address"]
            pool.submit(process.stdout.read)  # so that the pipe of the log does not fill
            with httpx2.Client(base_url=address, timeout=60) as client:

                def upload(number: int) -> Upload:
                    return drawn_upload(files, Random(f"{args.seed} {number}"))

                def send(number: int) -> tuple[int, str]:
                    sent = upload(number)
                    headers = {"Content-Type": sent.content_type}
                    try:
                        response = client.post(
                            sent.path, params=sent.query, headers=headers, content=sent.body
                        )
                        if response.status_code != 200:
                            return number, f"{response.status_code} {response.json()['error']['code']}"
                        return number, "200"
                    except Exception as error:
                        return number, f"lost: {type(error).__name__}"

                for number, what in pool.map(send, range(args.count)):
                    statuses[what] += 1
                    if what.startswith(("5", "lost")) and not what.startswith("503"):
                        failed += 1
                        args.failures.mkdir(exist_ok=True)
                        (args.failures / f"{number}.bin").write_bytes(bytes(upload(number)))
        finally:
            process.terminate()
    for what, count in sorted(statuses.items()):
        print(f"{count:>7}  {what}")
    if args.record:
        write_rows(
            Path(__file__).with_name("mutated.csv"),
            [{"answer": what, "uploads": str(count)} for what, count in sorted(statuses.items())],
        )
    print(f"{args.count} uploads, {failed} failures; exit code {process.returncode}")
    if failed or process.returncode:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
