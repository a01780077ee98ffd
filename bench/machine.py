"""What a result was measured on: processor, cores, noise."""
import os
import platform

KNOWN = ("sse4_2", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "asimd", "sve")


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _cpu_fields():
    fields = {}
    for line in _read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields


def _caches():
    """"L1d 32K" and so on, of the first core."""
    found = []
    for i in range(8):
        folder = f"/sys/devices/system/cpu/cpu0/cache/index{i}/"
        level, kind, size = (_read(folder + name).strip() for name in ("level", "type", "size"))
        if size and kind != "Instruction":
            found.append(f"L{level}{'d' if kind == 'Data' else ''} {size}")
    return found


def describe():
    cpu = _cpu_fields()
    present = set((cpu.get("flags") or cpu.get("Features") or "").split())
    kind = cpu.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in cpu:
        kind += f" (family {cpu['cpu family']}, model {cpu['model']})"
    return {"cpu": kind, "cores": len(os.sched_getaffinity(0)), "of": os.cpu_count(), "caches": _caches(),
            "isa": [flag for flag in KNOWN if flag in present] or [platform.machine()],
            "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or "unknown",
            "virtual": "hypervisor" in present, "load": round(os.getloadavg()[0], 2)}


def lines(machine):
    return [f"machine   {machine['cpu']}, {machine['cores']} cores usable of {machine['of']}",
            f"ISA       {' '.join(machine['isa'])}; caches {', '.join(machine['caches']) or 'unknown'}",
            f"noise     governor {machine['governor']}{', virtual machine' if machine['virtual'] else ''}, "
            f"load {machine['load']:.2f} before the first run"]


def stolen():
    """Time that the hypervisor gave to others, and all time, in ticks over all cores."""
    ticks = [int(n) for n in _read("/proc/stat").split("\n")[0].split()[1:]] or [0] * 8
    return ticks[7], sum(ticks[:8])


def on_cores(threads):
    """For a child about to start: as many of this process's cores as it has threads."""
    return lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
