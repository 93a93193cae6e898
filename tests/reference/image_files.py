"""Writes small image files with known content, and checks files that Sagittal wrote.

    pip install numpy==2.4.6 nibabel==5.4.2 SimpleITK==2.5.7 pillow==13.0.0
    python tests/reference/image_files.py write
    cargo run --release -p sagittal-image --example rewrite -- crates/sagittal-image/tests/data/files OUT
    python tests/reference/image_files.py verify OUT

`write` fills crates/sagittal-image/tests/data/files and its expected.txt: one line per file with
`name|rank|shape z y x|spacing z y x|origin RAS|direction of axes z, y, x in RAS|values, channel by channel`.
`verify` reads what the example made of these files (label maps and images, in the same and in other formats) with
nibabel and SimpleITK, and compares shape, affine, spacing, direction and voxels with the source file's.
"""

import gzip
import struct
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from PIL import Image

HERE = Path(__file__).resolve().parents[2] / "crates/sagittal-image/tests/data/files"
SHAPE = (4, 3, 2)  # x y z
LPS = np.diag([-1.0, -1.0, 1.0])
expected = []


def expect(name, rank, arrays, affine):
    """`arrays`: list of z y x; `affine`: voxel x y z to RAS mm, or None."""
    shape = " ".join(map(str, arrays[0].shape))
    if affine is None:
        spacing, origin, direction = "none", "0 0 0", "0 0 1 0 1 0 1 0 0"
    else:
        lengths = np.sqrt((affine[:3, :3] ** 2).sum(0))
        units = (affine[:3, :3] / lengths).T
        if rank == 2:
            units[2] = np.cross(units[0], units[1])
            lengths[2] = 1
        spacing = " ".join("%.9g" % v for v in lengths[::-1])
        origin = " ".join("%.9g" % v for v in affine[:3, 3])
        direction = " ".join("%.9g" % v for v in units[::-1].ravel())
    values = " ".join("%.9g" % np.float32(v) for a in arrays for v in a.ravel())
    expected.append(f"{name}|{rank}|{shape}|{spacing}|{origin}|{direction}|{values}")


def ramp(dtype, shape=SHAPE):
    n = int(np.prod(shape))
    values = np.arange(n).astype(np.float64)
    if np.dtype(dtype).kind == "f":
        values = values * 0.25 - 2
    elif np.dtype(dtype).kind == "i":
        values = values - 5
    values = values.astype(dtype)
    if np.dtype(dtype).kind in "iu":
        values[-1] = np.iinfo(dtype).max
        values[0] = np.iinfo(dtype).min
    return values.reshape(shape, order="F")


def rotation(a, b, c):
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


def affine_of(direction, spacing=(0.75, 1.5, 2.5), origin=(-10.5, 20.25, 3.0)):
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(direction) * np.asarray(spacing)
    affine[:3, 3] = origin
    return affine


def codes(text):
    return affine_of(nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(tuple(text)), SHAPE)[:3, :3])


def nifti(name, data, affine, big=False, version=1, edit=None, sform=1, qform=1, values=None, rank=3, seen=None):
    kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    header = kind.header_class(endianness=">" if big else "<")
    header.set_data_dtype(data.dtype.newbyteorder(">" if big else "<"))
    image = kind(data, affine, header)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    if edit:
        edit(image.header)
    path = HERE / name
    nib.save(image, path)
    if seen is None:
        loaded = nib.load(path)
        seen = loaded.affine
        values = loaded.get_fdata() if values is None else values
    if values.ndim == 2:
        values = values[:, :, None]
    values = values.reshape(values.shape[:3] + (-1,), order="F")
    expect(name, rank, [values[..., c].T for c in range(values.shape[3])], seen)


def write_nifti():
    ras = codes("RAS")
    for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
        for big in (False, True):
            nifti(f"type_{dtype}_{'big' if big else 'little'}.nii", ramp(dtype), ras, big)
    for text in ("RAS", "LPS", "LAS", "PIR", "ASL", "SLA", "IPR"):
        nifti(f"orientation_{text}.nii.gz", ramp("i2"), codes(text))
    oblique = affine_of(rotation(0.3, -0.2, 0.5))
    nifti("oblique_sform.nii.gz", ramp("i2"), oblique, qform=0)
    nifti("oblique_qform.nii.gz", ramp("i2"), oblique, sform=0)
    nifti("oblique_both_big.nii.gz", ramp("i2"), oblique, big=True)
    flipped = affine_of(rotation(0.3, -0.2, 0.5) @ np.diag([1, 1, -1]))
    nifti("oblique_left_handed_qform.nii.gz", ramp("i2"), flipped, sform=0)
    nifti("codes_scanner_and_mni.nii.gz", ramp("i2"), oblique, sform=4, qform=1)

    def units(code):
        def edit(h):
            h["xyzt_units"] = code
        return edit

    for name, code, factor in (("metres", 1, 1e3), ("micrometres", 3, 1e-3)):
        mm = affine_of(rotation(0.1, 0.2, 0.3), (0.5, 1, 2))
        scaled = np.diag([factor, factor, factor, 1]) @ nib.affines.from_matvec(mm[:3, :3], mm[:3, 3])
        nifti(f"units_{name}.nii", ramp("i2"), mm, edit=units(code), seen=scaled, values=ramp("i2").astype(float))
    plain = np.diag([0.75, 1.5, 2.5, 1])
    nifti("no_codes.nii", ramp("i2"), plain, sform=0, qform=0, seen=plain, values=ramp("i2").astype(float))

    def scaled(slope, inter):
        def edit(h):
            h["scl_slope"], h["scl_inter"] = slope, inter
        return edit

    raw = ramp("i2")
    for name, slope, inter, values in (
        ("scaled", 0.5, -3, raw * 0.5 - 3.0),
        ("slope_zero", 0, 7, raw * 1.0),
        ("slope_nan", np.nan, 7, raw * 1.0),
    ):
        nifti(f"{name}.nii", raw, ras, seen=ras, values=values)
        path = HERE / f"{name}.nii"
        content = bytearray(path.read_bytes())
        content[112:120] = struct.pack("<ff", slope, inter)
        path.write_bytes(content)
    nifti("version_2.nii.gz", ramp("f4"), oblique, version=2)
    nifti("version_2_big.nii", ramp("u2"), oblique, version=2, big=True)
    nifti("four_axes.nii.gz", ramp("i2", SHAPE + (3,)), ras)
    nifti("five_axes.nii.gz", ramp("f4", SHAPE + (1, 3)), ras)
    nifti("two_axes.nii.gz", ramp("i2", (4, 3)), ras, rank=2)
    nifti("one_slice.nii.gz", ramp("i2", (4, 3, 1)), ras)
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for c, field in enumerate("RGB"):
        rgb[field] = ramp("u1") // (c + 1)
    nifti("rgb.nii.gz", rgb, ras, seen=ras, values=np.stack([rgb[f] for f in "RGB"], -1))
    nib.save(nib.Nifti1Pair(ramp("i2"), oblique), HERE / "pair.hdr")
    expect("pair.hdr", 3, [ramp("i2").T.astype(float)], nib.load(HERE / "pair.hdr").affine)
    labels = (np.arange(24) % 3).astype("f4").reshape(SHAPE, order="F")
    nifti("labels_float.nii.gz", labels, ras)


def itk_affine(image):
    n = image.GetDimension()
    affine = np.eye(4)
    direction = np.eye(3)
    direction[:n, :n] = np.array(image.GetDirection()).reshape(n, n)
    spacing = np.ones(3)
    spacing[:n] = image.GetSpacing()
    origin = np.zeros(3)
    origin[:n] = image.GetOrigin()
    affine[:3, :3] = LPS @ direction * spacing
    affine[:3, 3] = LPS @ origin
    return affine


def itk_arrays(image):
    array = sitk.GetArrayFromImage(image)
    n = image.GetDimension()
    channels = [array] if image.GetNumberOfComponentsPerPixel() == 1 else [array[..., c] for c in range(array.shape[-1])]
    return [c if n == 3 else c[None] for c in channels]


def write_itk():
    for ext in ("nrrd", "mha", "nhdr", "mhd"):
        for dtype in ("u1", "i2", "u2", "i4", "f4", "f8"):
            if ext in ("nhdr", "mhd") and dtype != "i2":
                continue
            image = sitk.GetImageFromArray(np.ascontiguousarray(ramp(dtype).T))
            image.SetSpacing((0.75, 1.5, 2.5))
            image.SetOrigin((-10.5, 20.25, 3.0))
            if dtype != "u1":
                image.SetDirection(rotation(0.3, -0.2, 0.5).ravel())
            for packed in (False, True):
                name = f"itk_{dtype}{'_packed' if packed else ''}.{ext}"
                sitk.WriteImage(image, str(HERE / name), packed)
                back = sitk.ReadImage(str(HERE / name))
                expect(name, 3, itk_arrays(back), itk_affine(back))
        if ext in ("nrrd", "mha"):
            plane = sitk.GetImageFromArray(np.ascontiguousarray(ramp("u2", (4, 3)).T))
            plane.SetSpacing((0.5, 0.25))
            plane.SetOrigin((3, -4))
            plane.SetDirection((0, -1, 1, 0))
            vector = sitk.GetImageFromArray(ramp("f4", (2, 3, 4, 3)), isVector=True)
            for image, name, rank in ((plane, "itk_plane", 2), (vector, "itk_vector", 3)):
                sitk.WriteImage(image, str(HERE / f"{name}.{ext}"), True)
                back = sitk.ReadImage(str(HERE / f"{name}.{ext}"))
                expect(f"{name}.{ext}", rank, itk_arrays(back), itk_affine(back))
    data = ramp("i2")
    big = data.astype(">i2").tobytes(order="F")
    vectors = "(0.75,0,0) (0,1.5,0) (0,0,2.5)"
    head = "NRRD0005\n# by hand\ntype: short\ndimension: 3\nspace: {}\nsizes: 4 3 2\nspace directions: {}\nspace origin: (1,2,3)\n"
    tail = "endian: big\nencoding: raw\n\n"
    for space, signs in (("right-anterior-superior", (1, 1, 1)), ("LAS", (-1, 1, 1)), ("left-posterior-superior", (-1, -1, 1))):
        name = f"hand_{space[:3].replace('-', '').lower()}_big.nrrd"
        (HERE / name).write_bytes((head.format(space, vectors) + tail).encode() + big)
        affine = np.diag([*signs, 1.0]) @ affine_of(np.eye(3), origin=(1, 2, 3))
        expect(name, 3, [data.T], affine)
    text = head.format("left-posterior-superior", vectors) + "encoding: ascii\n\n" + " ".join(map(str, data.ravel(order="F"))) + "\n"
    (HERE / "hand_text.nrrd").write_text(text)
    expect("hand_text.nrrd", 3, [data.T], np.diag([-1, -1, 1, 1.0]) @ affine_of(np.eye(3), origin=(1, 2, 3)))
    mha = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = True\nCompressedData = False\n"
    mha += "TransformMatrix = 0 1 0 1 0 0 0 0 -1\nOffset = 1 2 3\nElementSpacing = 0.75 1.5 2.5\nDimSize = 4 3 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    (HERE / "hand_big.mha").write_bytes(mha.encode() + big)
    back = sitk.ReadImage(str(HERE / "hand_big.mha"))
    expect("hand_big.mha", 3, itk_arrays(back), itk_affine(back))


def write_pictures():
    grey = ((np.arange(35) * 7) % 256).astype("u1").reshape(5, 7)
    wide = (np.arange(35) * 1871 % 65536).astype("u2").reshape(5, 7)
    rgb = np.stack([grey, grey[::-1], 255 - grey], -1)
    alpha = np.full((5, 7), 100, "u1")
    Image.fromarray(grey).save(HERE / "grey.png")
    Image.fromarray(wide).save(HERE / "wide.png")
    Image.fromarray(rgb).save(HERE / "rgb.png")
    Image.fromarray(np.dstack([rgb, alpha])).save(HERE / "rgba.png")
    Image.fromarray(np.dstack([grey, alpha]), "LA").save(HERE / "grey_alpha.png")
    palette = Image.fromarray((grey % 3), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.save(HERE / "palette.png")
    Image.fromarray(grey).save(HERE / "grey.tif", compression="tiff_lzw")
    Image.fromarray(wide).save(HERE / "wide.tif")
    Image.fromarray(rgb).save(HERE / "rgb.tiff", compression="tiff_deflate")
    Image.fromarray(grey).save(HERE / "grey.bmp")
    Image.fromarray(rgb).save(HERE / "rgb.bmp")
    mask = (grey > 100).astype("u1") * 255
    Image.fromarray(mask).save(HERE / "mask.gif")
    Image.fromarray(np.full((8, 8), 77, "u1")).save(HERE / "flat.jpg", quality=100)
    for name in ("grey.png", "grey_alpha.png", "grey.tif", "grey.bmp"):
        expect(name, 2, [grey[None]], None)
    for name in ("wide.png", "wide.tif"):
        expect(name, 2, [wide[None]], None)
    for name in ("rgb.png", "rgba.png", "rgb.tiff", "rgb.bmp"):
        expect(name, 2, [rgb[None, ..., c] for c in range(3)], None)
    indexed = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]])[grey % 3]
    expect("palette.png", 2, [indexed[None, ..., c] for c in range(3)], None)
    expect("mask.gif", 2, [mask[None]], None)
    expect("flat.jpg", 2, [np.full((1, 8, 8), 77)], None)
    pages = [Image.fromarray(grey), Image.fromarray(grey)]
    pages[0].save(HERE.parent / "corpses" / "two_pages.tif", save_all=True, append_images=pages[1:])


def labels_of(shape_zyx, start):
    return (start + np.arange(int(np.prod(shape_zyx))) * 5 % 7).reshape(shape_zyx)


def close(a, b, what, tolerance):
    assert np.shape(a) == np.shape(b), f"{what}: {np.shape(a)} is not {np.shape(b)}"
    difference = float(np.abs(np.asarray(a, float) - np.asarray(b, float)).max())
    assert difference <= tolerance, f"{what}: differs by {difference}"
    return difference


def verify(out):
    rows = [line.split("|") for line in (HERE / "expected.txt").read_text().splitlines()]
    n, worst, refused_by_itk = 0, 0.0, []
    for name, rank, shape, _, _, _, values in rows:
        rank, shape = int(rank), [int(v) for v in shape.split()]
        source = HERE / name
        stem = name.replace(".", "_")
        for made in sorted(out.glob(f"{stem}__*")):
            if ".raw" in made.suffixes:
                continue
            n += 1
            kind = made.name.split("__")[1].split(".")[0]  # labels8, labels16, image
            ending = "".join(made.suffixes)
            same = ending == "".join(source.suffixes) or (ending == ".nii" and name.endswith(".hdr"))
            picture = made.suffix in (".png", ".tif", ".bmp", ".gif")
            want = np.array(values.split(), dtype="f4").reshape([-1] + shape)
            if kind.startswith("labels"):
                want = labels_of(shape, 0 if kind == "labels8" else 250)[None]
            if picture:
                found = np.asarray(Image.open(made))
                found = np.moveaxis(found, -1, 0)[:, None] if found.ndim == 3 else found[None, None]
                close(found, want, made.name, 0)
                continue
            is_picture_source = source.suffix in (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg")
            if ".nii" in ending:
                image = nib.load(made)
                assert image.header["dim"][0] == (4 if kind == "image" and len(want) > 1 else rank), (made.name, image.header["dim"])
                if kind.startswith("labels"):
                    assert image.get_data_dtype() == (np.uint8 if kind == "labels8" else np.uint16), made.name
                found = image.get_fdata()
                found = found.reshape(found.shape + (1,) * (3 - found.ndim))
                found = found.reshape(found.shape[:3] + (-1,), order="F")
                close(np.moveaxis(found, -1, 0).transpose(0, 3, 2, 1), want, made.name, 0)
                if ".nii" in name or name.endswith(".hdr"):
                    origin = nib.load(source)
                    for field in ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x", "srow_y", "srow_z", "xyzt_units"):
                        assert np.array_equal(image.header[field], origin.header[field]), (made.name, field)
                    assert np.array_equal(image.header["pixdim"][:4], origin.header["pixdim"][:4]), made.name
                    assert np.array_equal(image.affine, origin.affine), made.name
            try:
                itk = sitk.ReadImage(str(made))
            except RuntimeError as error:
                if "version_2" in name and ".nii" in ending:
                    # SimpleITK reads no NIfTI-2, from whichever program.
                    continue
                refused_by_itk.append((made.name, str(error).splitlines()[-1][:100]))
                continue
            if not (kind == "image" and len(want) > 1 and ".nii" in ending):
                close(np.stack(itk_arrays(itk)), want, made.name, 0)
            if is_picture_source:
                continue
            if name.endswith("rgb.nii.gz") or "_axes" in name or name == "itk_vector.nrrd" and False:
                if rank == 3 and itk.GetDimension() != 3:
                    continue
            try:
                reference = sitk.ReadImage(str(source))
            except RuntimeError:
                continue
            if name == "no_codes.nii" and not same:
                # Without qform and sform the NIfTI standard, nibabel and SimpleITK each say another thing.
                continue
            if reference.GetDimension() != itk.GetDimension():
                a, b = itk_affine_any(reference), itk_affine_any(itk)
            else:
                a, b = itk_affine(reference), itk_affine(itk)
            worst = max(worst, close(b, a, f"{made.name} affine under SimpleITK", 0 if same else 2e-5))
            if same:
                assert reference.GetSpacing()[:rank] == itk.GetSpacing()[:rank], made.name
                if reference.GetDimension() == itk.GetDimension():
                    assert reference.GetDirection() == itk.GetDirection(), made.name
    print(f"{n} files written by sagittal hold the expected shape, voxels and geometry; largest difference of an affine entry across formats {worst:.2e}")
    for item in refused_by_itk:
        print("SimpleITK refuses", *item)


def itk_affine_any(image):
    n = image.GetDimension()
    affine = np.eye(4)
    k = min(n, 3)
    affine[:k, :k] = np.array(image.GetDirection()).reshape(n, n)[:k, :k] * image.GetSpacing()[:k]
    affine[:k, 3] = image.GetOrigin()[:k]
    return affine


if sys.argv[1] == "write":
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE.parent / "corpses").mkdir(exist_ok=True)
    write_nifti()
    write_itk()
    write_pictures()
    (HERE / "expected.txt").write_text("\n".join(expected) + "\n")
    print(len(expected), "files")
else:
    verify(Path(sys.argv[2]))
