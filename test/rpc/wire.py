"""The messages of the protocol, as its description has them: no code of stasis is used to read or write them."""
import struct

INT, BOOL, TEXT = "int", "bool", "text"
PS = {1: ("address", TEXT), 2: ("port", INT), 3: ("pid", INT), 4: ("fd", INT)}
PAIR = {1: ("key", TEXT), 2: ("val", TEXT)}
OPTS = {
    1: ("images_dir_fd", INT), 68: ("images_dir", TEXT), 2: ("pid", INT), 3: ("leave_running", BOOL), 4: ("ext_unix_sk", BOOL),
    5: ("tcp_established", BOOL), 6: ("evasive_devices", BOOL), 7: ("shell_job", BOOL), 8: ("file_locks", BOOL),
    9: ("log_level", INT), 10: ("log_file", TEXT), 11: ("ps", PS), 12: ("notify_scripts", BOOL), 13: ("root", TEXT),
    14: ("parent_img", TEXT), 15: ("track_mem", BOOL), 16: ("auto_dedup", BOOL), 17: ("work_dir_fd", INT),
    18: ("link_remap", BOOL), 19: ("veths", {1: ("if_in", TEXT), 2: ("if_out", TEXT)}), 20: ("cpu_cap", INT),
    21: ("force_irmap", BOOL), 22: ("exec_cmd", TEXT), 23: ("ext_mnt", PAIR), 24: ("manage_cgroups", BOOL),
    25: ("cg_root", {1: ("ctrl", TEXT), 2: ("path", TEXT)}), 26: ("rst_sibling", BOOL),
    27: ("inherit_fd", {1: ("key", TEXT), 2: ("fd", INT)}), 28: ("auto_ext_mnt", BOOL), 29: ("ext_sharing", BOOL),
    30: ("ext_masters", BOOL), 31: ("skip_mnt", TEXT), 32: ("enable_fs", TEXT), 33: ("unix_sk_ino", {1: ("inode", INT)}),
    34: ("manage_cgroups_mode", INT), 35: ("ghost_limit", INT), 36: ("irmap_scan_paths", TEXT), 37: ("external", TEXT),
    38: ("empty_ns", INT), 39: ("join_ns", {1: ("ns", TEXT), 2: ("ns_file", TEXT), 3: ("extra_opt", TEXT)}),
    41: ("cgroup_props", TEXT), 42: ("cgroup_props_file", TEXT), 43: ("cgroup_dump_controller", TEXT),
    44: ("freeze_cgroup", TEXT), 45: ("timeout", INT), 46: ("tcp_skip_in_flight", BOOL), 47: ("weak_sysctls", BOOL),
    48: ("lazy_pages", BOOL), 49: ("status_fd", INT), 50: ("orphan_pts_master", BOOL), 51: ("config_file", TEXT),
    52: ("tcp_close", BOOL), 53: ("lsm_profile", TEXT), 54: ("tls_cacert", TEXT), 55: ("tls_cacrl", TEXT),
    56: ("tls_cert", TEXT), 57: ("tls_key", TEXT), 58: ("tls", BOOL), 59: ("tls_no_cn_verify", BOOL),
    60: ("cgroup_yard", TEXT), 61: ("pre_dump_mode", INT), 62: ("pidfd_store_sk", INT), 63: ("lsm_mount_context", TEXT),
    64: ("network_lock", INT), 65: ("mntns_compat_mode", BOOL), 66: ("skip_file_rwx_check", BOOL), 67: ("unprivileged", BOOL),
    69: ("leave_stopped", BOOL), 70: ("display_stats", BOOL), 71: ("log_to_stderr", BOOL),
}
FEATURES = {1: ("mem_track", BOOL), 2: ("lazy_pages", BOOL), 3: ("pidfd_store", BOOL)}
REQ = {1: ("type", INT), 2: ("opts", OPTS), 3: ("notify_success", BOOL), 4: ("keep_open", BOOL), 5: ("features", FEATURES),
       6: ("pid", INT)}
VERSION = {1: ("major_number", INT), 2: ("minor_number", INT), 3: ("gitid", TEXT), 4: ("sublevel", INT), 5: ("extra", INT),
           6: ("name", TEXT)}
RESP = {1: ("type", INT), 2: ("success", BOOL), 3: ("dump", {1: ("restored", BOOL)}), 4: ("restore", {1: ("pid", INT)}),
        5: ("notify", {1: ("script", TEXT), 2: ("pid", INT)}), 6: ("ps", PS), 7: ("cr_errno", INT), 8: ("features", FEATURES),
        9: ("cr_errmsg", TEXT), 10: ("version", VERSION), 11: ("status", INT)}
TYPES = {"EMPTY": 0, "DUMP": 1, "RESTORE": 2, "CHECK": 3, "PRE_DUMP": 4, "PAGE_SERVER": 5, "NOTIFY": 6, "CPUINFO_DUMP": 7,
         "CPUINFO_CHECK": 8, "FEATURE_CHECK": 9, "VERSION": 10, "WAIT_PID": 11, "PAGE_SERVER_CHLD": 12, "SINGLE_PRE_DUMP": 13}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def pack(fields, message):
    """A dictionary, whose lists are repeated fields, as bytes."""
    numbers = {name: (number, kind) for number, (name, kind) in fields.items()}
    out = b""
    for name, value in message.items():
        number, kind = numbers[name]
        for one in value if isinstance(value, list) else [value]:
            if kind in (INT, BOOL):
                out += varint(number << 3) + varint(int(one))
                continue
            data = one.encode() if kind == TEXT else pack(kind, one)
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def unpack(fields, data):
    message, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        name, kind = fields[key >> 3]
        value, at = read_varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
            value = value.decode() if kind == TEXT else unpack(kind, value)
        elif kind == BOOL:
            value = bool(value)
        else:
            value = struct.unpack("<q", struct.pack("<Q", value))[0]
        message[name] = value
    return message
