"""MATLAB files of version 5 to 7, read without a library: every size is checked before it is used.

The format: MathWorks, "MAT-File Format", version 5. scipy's reader trusts the sizes that it finds,
and one flipped byte can end the interpreter.
"""

from inverse_inr.io.matlab5.variables import read_variables as read_variables
