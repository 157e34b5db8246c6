"""Sends damaged uploads to `efficientfan serve`: each must get an answer, and none a 5xx but 503.

    python benchmarks/service/mutated.py --count 10000

Photos of every format that is read are cut, spliced, repeated and overwritten, sent bare and in forms, with options
that are damaged, too. The same seed sends the same. What is answered otherwise is written to --failures.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from PIL import Image
from skimage.data import astronaut

OPTIONS = {
    "boxes": "[[20, 10, 90, 100]]",
    "min_score": "0.5",
    "max_faces": "3",
    "pose": "true",
    "crop": "arcface",
    "crop_size": "64",
    "crop_margin": "0.1",
    "model": "fast",
}


def photos() -> list[bytes]:
    """The same small photo in every format."""
    image = Image.fromarray(astronaut()[50:210, 150:310])
    files = []
    for kind, options in (
        ("jpeg", {}),
        ("jpeg", {"progressive": True}),
        ("png", {}),
        ("webp", {}),
        ("gif", {}),
        ("bmp", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("ppm", {}),
    ):
        file = io.BytesIO()
        image.save(file, kind, **options)
        files.append(file.getvalue())
    return files


def damaged(content: bytes, other: bytes, random: random.Random) -> bytes:
    """One to four changes of some bytes."""
    result = bytearray(content)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(result) + 1)
        length = min(int(random.expovariate(1 / 30)) + 1, len(result) - place)
        change = random.randrange(6)
        if change == 0:
            result[place : place + length] = random.randbytes(length)
        elif change == 1:
            del result[place : place + length]
        elif change == 2:
            result[place:place] = result[place : place + length] * random.randint(1, 20)
        elif change == 3:
            result[place:] = other[random.randrange(len(other)) :]
        elif change == 4:
            result[place : place + 4] = random.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
        else:
            del result[place:]
    return bytes(result)


def request(number: int, seed: int, files: list[bytes]) -> tuple[dict[str, str], bytes, dict[str, str]]:
    """Headers, body and query of an upload."""
    chance = random.Random(seed * 1_000_003 + number)
    content, other = chance.choice(files), chance.choice(files)
    query = {name: OPTIONS[name] for name in chance.sample(sorted(OPTIONS), chance.randrange(4))}
    if query and chance.random() < 0.3:
        name = chance.choice(sorted(query))
        query[name] = damaged(query[name].encode(), b"]]}}nan,1e999", chance).decode("latin-1")
    if chance.random() < 0.5:
        return {"Content-Type": "image/jpeg"}, damaged(content, other, chance), query
    body = b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + content
    body += b'\r\n--edge\r\nContent-Disposition: form-data; name="pose"\r\n\r\ntrue\r\n--edge--\r\n'
    return {"Content-Type": "multipart/form-data; boundary=edge"}, damaged(body, other, chance), query


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--failures", type=Path, default=Path("failures"))
    args = parser.parse_args()
    files, statuses, failed = photos(), Counter[str](), 0
    command = [sys.executable, "-m", "efficientfan.cli.main", "serve", "--port", "0", "--model", "fast"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        ThreadPoolExecutor(args.clients + 1) as pool,
    ):
        try:
            address = json.loads(process.stdout.readline())["address"]
            pool.submit(process.stdout.read)  # so that the pipe of the log does not fill
            with httpx2.Client(base_url=address, timeout=60) as client:

                def send(number: int) -> tuple[int, str]:
                    headers, body, query = request(number, args.seed, files)
                    try:
                        response = client.post("/v1/faces", params=query, headers=headers, content=body)
                        if response.status_code != 200:
                            return number, f"{response.status_code} {response.json()['error']['code']}"
                        return number, f"200 {len(response.json()['faces'])} faces"
                    except Exception as error:
                        return number, f"lost: {type(error).__name__}"

                for number, what in pool.map(send, range(args.count)):
                    statuses[what] += 1
                    if what.startswith(("5", "lost")) and not what.startswith("503"):
                        failed += 1
                        args.failures.mkdir(exist_ok=True)
                        (args.failures / f"{number}.body").write_bytes(request(number, args.seed, files)[1])
        finally:
            process.terminate()
    for what, count in sorted(statuses.items()):
        print(f"{count:>7}  {what}")
    print(f"{args.count} uploads, {failed} failures; exit code {process.returncode}")
    if failed or process.returncode:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
