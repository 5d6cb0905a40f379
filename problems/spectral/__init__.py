"""Problems of spectral imaging: coded snapshots, colours, and coarse cubes with fine colours."""

from inverse_inr.problems.spectral.cassi import cassi as cassi
from inverse_inr.problems.spectral.cassi_real import cassi_real as cassi_real
from inverse_inr.problems.spectral.from_colours import spectral_sr as spectral_sr
from inverse_inr.problems.spectral.fused.problem import fusion as fusion
from inverse_inr.problems.spectral.instrument import Alignment as Alignment
from inverse_inr.problems.spectral.instrument import Detector as Detector
from inverse_inr.problems.spectral.instrument import Optics as Optics
from inverse_inr.problems.spectral.pushbroom.reflectance import EmpiricalLine as EmpiricalLine
from inverse_inr.problems.spectral.pushbroom.reflectance import empirical_line as empirical_line
from inverse_inr.problems.spectral.pushbroom.simulated import Distortions as Distortions
from inverse_inr.problems.spectral.pushbroom.simulated import pushbroom as pushbroom
from inverse_inr.problems.spectral.pushbroom.simulated import pushbroom_scan as pushbroom_scan
from inverse_inr.problems.spectral.uncalibrated import TrueCamera as TrueCamera
from inverse_inr.problems.spectral.uncalibrated import cassi_uncalibrated as cassi_uncalibrated
