"""Writes images with pydicom, imagecodecs and Pillow, and compares what runner made of them.

    images_agree.py write DATA             writes a source folder, and the expected pixels beside it
    images_agree.py check DATA DATASET     compares the packed test images of DATASET"""

import json
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from PIL import Image, ImageOps
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_windowing, convert_color_space
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

SIDE = 16
GRID = np.mgrid[0:SIDE, 0:SIDE]
RAMP = (GRID[0] * SIDE + GRID[1]).astype(np.float64) / (SIDE * SIDE - 1)


def color():
    y, x = GRID
    return np.stack([x * 16, y * 16, (x + y) * 8], -1).astype(np.uint8)


def dicom(values, syntax, stored, **elements):
    """Returns a data set with these values and a name that must occur nowhere."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data.PatientName = "Secret^Patient"
    data.PatientID = "Secret"
    # A sequence without a length, before the pixels.
    item = Dataset()
    item.CodeMeaning = "Secret"
    data.ProcedureCodeSequence = [item]
    data["ProcedureCodeSequence"].is_undefined_length = True
    data.Rows, data.Columns = values.shape[:2]
    data.SamplesPerPixel = 3 if values.ndim == 3 else 1
    data.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = 8 * values.dtype.itemsize
    data.BitsStored = stored
    data.HighBit = stored - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in elements.items():
        setattr(data, name, value)
    endian = ">" if syntax == ExplicitVRBigEndian else "<"
    data.PixelData = values.astype(values.dtype.newbyteorder(endian)).tobytes()
    data["PixelData"].VR = "OB" if data.BitsAllocated == 8 else "OW"
    return data


def compressed(data, syntax, frame):
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate([frame])
    data["PixelData"].is_undefined_length = True
    data["PixelData"].VR = "OB"
    return data


def brightness(data):
    """Returns the expected pixels, from 0 to 255, of gray values that pydicom decodes."""
    values = apply_modality_lut(data.pixel_array, data).astype(np.float64)
    stored = [0, 2**data.BitsStored - 1]
    if data.PixelRepresentation:
        stored = [-(2 ** (data.BitsStored - 1)), 2 ** (data.BitsStored - 1) - 1]
    ends = np.asarray(stored) * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
    low, high = min(ends), max(ends)
    if "WindowWidth" in data:
        # pydicom maps the window to the range of the stored values.
        values = apply_windowing(values, data, index=0).astype(np.float64)
    shown = (values - low) / (high - low) * 255
    return 255 - shown if data.PhotometricInterpretation == "MONOCHROME1" else shown


def gray_files():
    """Yields the name, the data set and the tolerance of gray DICOM files."""
    twelve = np.round(RAMP * 4095).astype(np.uint16)
    signed = (twelve.astype(np.int32) - 2048).astype(np.int16)
    eight = np.round(RAMP * 255).astype(np.uint8)
    rescale = {"RescaleSlope": "2", "RescaleIntercept": "-1024"}
    window = {"WindowCenter": ["1500", "40"], "WindowWidth": ["1800", "80"]}
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
        yield f"{syntax.name}", dicom(twelve, syntax, 12)
        yield f"{syntax.name} signed", dicom(signed, syntax, 12, **rescale)
    yield "eight", dicom(eight, ExplicitVRLittleEndian, 8)
    yield "sixteen", dicom(np.round(RAMP * 65535).astype(np.uint16), ExplicitVRLittleEndian, 16)
    yield "monochrome1", dicom(twelve, ExplicitVRLittleEndian, 12, PhotometricInterpretation="MONOCHROME1", **window)
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        elements = {**rescale, **window, "VOILUTFunction": function}
        yield f"window {function}", dicom(twelve, ExplicitVRLittleEndian, 12, **elements)
    rle = dicom(twelve, ExplicitVRLittleEndian, 12, **window)
    rle.compress(RLELossless)
    yield "rle", rle
    frame = imagecodecs.jpeg8_encode(twelve, lossless=True, bitspersample=12, predictor=1)
    yield "lossless jpeg", compressed(dicom(twelve, ExplicitVRLittleEndian, 12), JPEGLosslessSV1, frame)
    for values, name in ((twelve, "jpeg 2000"), (signed, "signed jpeg 2000")):
        bits = {"bitspersample": 12} if values is twelve else {}
        frame = imagecodecs.jpeg2k_encode(values, level=0, codecformat="J2K", reversible=True, **bits)
        stored = 12 if values is twelve else 16
        yield name, compressed(dicom(values, ExplicitVRLittleEndian, stored), JPEG2000Lossless, frame)


def write(data):
    expected = {}
    test = data / "test" / "A"
    for split in ("train", "test"):
        for label in ("A", "B"):
            folder = data / split / label
            folder.mkdir(parents=True)
            Image.fromarray(np.full((SIDE, SIDE), 7 if label == "A" else 9, np.uint8)).save(folder / "0.png")

    def expect(name, pixels, tolerance=1):
        expected[f"test/A/{name}"] = [np.broadcast_to(np.atleast_3d(pixels), (SIDE, SIDE, 3)).tolist(), tolerance]

    compressed_values = {"lossless jpeg": None, "jpeg 2000": None, "signed jpeg 2000": None}
    for name, dataset in gray_files():
        # Without an extension: runner recognizes the mark.
        dataset.save_as(test / name, enforce_file_format=True)
        if name in compressed_values:
            # pydicom needs further packages to decode these; their values are those of RAMP.
            expect(name, RAMP * 255 if "signed" not in name else (RAMP * 4095 - 2048 + 32768) / 65535 * 255)
        else:
            expect(name, brightness(pydicom.dcmread(test / name)))
    rgb = color()
    dicom(rgb, ExplicitVRLittleEndian, 8).save_as(test / "rgb.dcm", enforce_file_format=True)
    expect("rgb.dcm", rgb, 0)
    planes = dicom(rgb, ExplicitVRLittleEndian, 8, PlanarConfiguration=1)
    planes.PixelData = rgb.transpose(2, 0, 1).tobytes()
    planes.save_as(test / "planar.dcm", enforce_file_format=True)
    expect("planar.dcm", rgb, 0)
    ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
    dicom(ybr, ExplicitVRLittleEndian, 8, PhotometricInterpretation="YBR_FULL").save_as(
        test / "ybr.dcm", enforce_file_format=True
    )
    expect("ybr.dcm", convert_color_space(ybr, "YBR_FULL", "RGB"))
    frame = imagecodecs.jpeg8_encode(rgb, level=95)
    jpeg = dicom(rgb, ExplicitVRLittleEndian, 8, PhotometricInterpretation="YBR_FULL_422")
    compressed(jpeg, JPEGBaseline8Bit, frame).save_as(test / "jpeg.dcm", enforce_file_format=True)
    expect("jpeg.dcm", imagecodecs.jpeg8_decode(frame), 6)

    twelve = np.round(RAMP * 4095).astype(np.uint16)
    for name in ("deep.png", "deep.tif"):
        Image.fromarray(twelve).save(test / name)
        expect(name, RAMP * 255)
    for name, options in (
        ("plain.bmp", {}),
        ("plain.webp", {"lossless": True}),
        ("plain.tiff", {}),
        ("lzw.tif", {"compression": "tiff_lzw"}),
        ("deflate.tif", {"compression": "tiff_adobe_deflate"}),
    ):
        Image.fromarray(rgb).save(test / name, **options)
        expect(name, rgb, 0)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for suffix, options in (("png", {}), ("tif", {}), ("webp", {"lossless": True})):
            name = f"turned{orientation}.{suffix}"
            Image.fromarray(rgb).save(test / name, exif=exif, **options)
            expect(name, np.asarray(ImageOps.exif_transpose(Image.open(test / name)).convert("RGB")), 0)
    (data.parent / "expected.json").write_text(json.dumps(expected))


def check(data, dataset):
    expected = json.loads((data.parent / "expected.json").read_text())
    header = json.loads((dataset / "dataset.json").read_text())
    pixels = np.fromfile(dataset / "images.bin", np.uint8).reshape(-1, SIDE, SIDE, 3)
    found = dict(zip(header["names"], pixels))
    wrong = [f"{name} is missing" for name in expected if name not in found]
    for name, (values, tolerance) in expected.items():
        if name in found:
            off = np.abs(found[name].astype(np.float64) - np.asarray(values)).max()
            if off > tolerance + 0.51:
                wrong.append(f"{name} is off by {off:.2f}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(expected)} images agree")


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](*map(Path, sys.argv[2:]))
