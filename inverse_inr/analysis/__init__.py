from inverse_inr.analysis.spectrum import fresh as fresh
from inverse_inr.analysis.spectrum import spectrum as spectrum
