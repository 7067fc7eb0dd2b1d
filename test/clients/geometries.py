"""Made-up CrystFEL geometries, and where cfelpyutils' panels put a point.

What they avoid, because cfelpyutils reads it otherwise than CrystFEL: an axis that a vector leaves
out (it takes 1x for fs and 1y for ss, and not 0), and clen with a unit.
"""

import numpy as np


def panel(name, min_fs, min_ss, width, height, fs, ss, corner, **more):
    keys = {"min_fs": min_fs, "max_fs": min_fs + width - 1, "min_ss": min_ss,
            "max_ss": min_ss + height - 1, "fs": fs, "ss": ss, "corner_x": corner[0],
            "corner_y": corner[1], **more}
    return "".join(f"{name}/{key} = {value}\n" for key, value in keys.items())


def term(x, y, z=None):
    return f"{x:+.9f}x {y:+.9f}y" + ("" if z is None else f" {z:+.9f}z")


def rotated():
    """Turned by any angle, tilted towards the beam, mirrored."""
    text = "clen = 0.0875\nres = 13333.3333\nadu_per_photon = 1\ncoffset = -0.0013\n"
    for i, degrees in enumerate([0, 17.3, 90, 133.7, 180, 271.2]):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        mirror = -1 if i % 2 else 1
        text += panel(f"p{i}", 0, 40 * i, 64, 40, term(c, s, 0.03 * i),
                      term(-mirror * s, mirror * c, -0.01 * i), (100.25 * c - 7, 100.25 * s + 0.125))
    return text


def gaps():
    """Rows and columns that belong to no panel, pixels of two sizes, bad regions and groups."""
    text = "; made up\nclen = 0.1 ; metres\nadu_per_eV = 0.001\nres = 10000\n"
    text += "data = /entry_1/data_1/data\ndim0 = %\ndim1 = ss\ndim2 = fs\n"
    text += "mask = /entry_1/data_1/mask\nmask_good = 0x0\nmask_bad = 0xff\n"
    text += "badbeam/min_x = -12.5\nbadbeam/max_x = 12.5\nbadbeam/min_y = -3\nbadbeam/max_y = 4\n"
    text += panel("left", 3, 5, 20, 30, "1.0x -0.001y", "0.001x+1.0y", (-25.5, -14))
    text += panel("right", 30, 5, 20, 30, " 0.999 x - 0.002 y", "+.002x +0.999y", (5.75, -14.5))
    text += "res = 5000\n"
    text += panel("top", 3, 50, 47, 9, "-1x +0y", "+0x -1y", (23, 40), coffset="1e-3")
    text += "badedge/panel = right\nbadedge/min_fs = 30\nbadedge/max_fs = 31\n"
    text += "badedge/min_ss = 5\nbadedge/max_ss = 34\n"
    text += "rigid_group_low = left,right\nrigid_group_high = top\n"
    return text + "rigid_group_collection_all = low,high\n"


def modules():
    """Two modules of two and four ASICs, neither size nor order as one would have it."""
    text = "photon_energy = /LCLS/photon_energy_eV eV\nclen = 0.25\nadu_per_photon = 9.5\n"
    text += "res = 20000\ncoffset = 0.01\n"
    for i in range(4):
        text += panel(f"p1a{i}", 34 * (i % 2), 100 + 21 * (i // 2), 32, 20, "+0.0x +1.0y",
                      "-1.0x +0.0y", (300 - 21.5 * (i // 2), 34 * (i % 2)))
    text += "coffset = -0.02\nres = 19999.5\n"
    for i in range(2):
        text += panel(f"p0a{i}", 48 * i, 0, 48, 64, "-0.999999x +0.0015y -0.0002z",
                      "-0.0015x -0.999999y +0.0001z", (-10.0625 - 48 * i, 64), coffset=0.003 * i)
    return text


def scattered():
    """Three modules of two ASICs each, in no order and with gaps around all of them."""
    text = "clen = 0.15\nadu_per_photon = 1\nres = 13000\n"
    for i, (column, row) in enumerate([(70, 60), (2, 7), (58, 3)]):
        for asic in range(2):
            text += panel(f"m{i}a{asic}", column + 25 * asic, row, 25, 40, "+0.6x +0.8y",
                          "-0.8x +0.6y", (80 * i + 16 * asic, -40 + 21.5 * asic),
                          coffset=0.001 * i)
    text += "badstrip/panel = m1a0\nbadstrip/min_fs = 2\nbadstrip/max_fs = 3\n"
    text += "badstrip/min_ss = 7\nbadstrip/max_ss = 46\n"
    return text + "badbeam/min_x = 75\nbadbeam/max_x = 90\nbadbeam/min_y = -30\nbadbeam/max_y = 0\n"


# ---------------------------------------------------------------- the judge

def judged(panel, fs, ss):
    """x, y and z without clen, in metres, of a point (fs, ss) from the centre of the first pixel."""
    fs, ss = np.float64(fs) + 0.5, np.float64(ss) + 0.5
    return np.array([(panel["cnx"] + fs * panel["fsx"] + ss * panel["ssx"]) / panel["res"],
                     (panel["cny"] + fs * panel["fsy"] + ss * panel["ssy"]) / panel["res"],
                     panel["coffset"] + (fs * panel["fsz"] + ss * panel["ssz"]) / panel["res"]])
