#!/usr/bin/env python3
"""Includes run one way, and only one file, or those of one name, know each foreign library."""
import re
import sys

import source

BELOW = {
    "lib": {"lib"},
    "images": {"images", "lib"},
    "parasite": {"parasite", "lib"},
    "pages": {"pages", "images", "lib"},
    "lazy": {"lazy", "pages", "images", "lib"},
    "dump": {"dump", "lazy", "pages", "images", "parasite", "lib"},
    "restore": {"restore", "lazy", "pages", "images", "parasite", "lib"},
    "migrate": {"migrate", "lazy", "pages", "images", "parasite", "lib"},
    "cli": {"cli", "dump", "restore", "migrate", "lazy", "pages", "images", "parasite", "lib"},
}
ONLY_IN = {
    "bpf/": ("lib/bpf_", "lib/vma_bits.c"),
    "gnutls/": "pages/tls.c",
    "netlink/": "lib/netlink",
    "nftables/": ("lib/netlock.c", "lib/nft_rules.c"),
    "sys/capability.h": "lib/caps.c",
    "xxh": "lib/checksum.c",
    "zstd": "images/codec_zstd.c",
    "lz4": "images/codec_lz4.c",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def check(path):
    top = path.split("/")[0]
    for match in INCLUDE.finditer(source.read(path)):
        name = match.group(2)
        for prefix, owner in ONLY_IN.items():
            if match.group(1) == "<" and name.startswith(prefix) and top != "test" and not path.startswith(owner):
                yield f"{path}: includes <{name}>, which only {owner} may know"
        if match.group(1) == "<" or top not in BELOW:
            continue
        if "/" not in name:
            yield f'{path}: "{name}" has to be named from the top of the tree'
        elif name.split("/")[0] not in BELOW[top]:
            yield f'{path}: {top} may not include "{name}"'


sys.exit(source.report([finding for path in source.files(".c", ".h") for finding in check(path)]))
