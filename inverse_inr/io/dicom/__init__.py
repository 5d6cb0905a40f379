"""DICOM through pydicom: single slices, series in a folder, and enhanced multi-frame files."""

from inverse_inr.io.dicom.series import read_dicom as read_dicom
from inverse_inr.io.dicom.writing import write_dicom as write_dicom
