"""The weights of the entropy model, which `benchmarks/codec/train_model.py` made."""

from __future__ import annotations

import base64
import hashlib

import numpy as np

from inverse_inr.codec.latent.model import model_of

WEIGHTS = (
    "Q2)IDzyF~Bi2r*3!vFUFp#Pr#^8X0{<o^T!GXOyVJO4HR3jpu`(f^(QB>+?aYyi*yRRG!l6aeJ^2>{st=l=}=K>*MH&j0o"
    "Q7XZ`$sQ={u6aa<)x&QnB0s!Ct1OUGPN&r{@A^<)BApkZ2Bmg-"
    "8`2X|&<o_W6?*GmI1^^5ICjfr{_5X4J$^Rq(5CGNx0|2i7^#2<Gy8yBP&;K9*L;w~582}mpCIBJ;5&#hZ0006276AYM8vr"
    "K&CjjUF^8Y#jr~V-TT>nJ?djMPipZ^8`-"
    "~amm`~L<2`v2zt<p1&i`v3a>1OWg4_W$(%`2PU_)c@uG+y5m1$NvNX2ml%YkpOT283Bg>4*)IzJpiQtK>slRe*YN&qyI|("
    "0RZU#I{<qBi2nir006lEum2wa`u`6AA^<A@M*s%^k^is%&Hs)6$N$*>sQ-"
    "}vg#Wt#iT|7b0|0>ktpBn9Hvl34{{II67XW7f=KneXI{@DQcmUP^-T&<W$N$;?+y4Xr{r}hh3;^x_5&-"
    "A`qW>EJ2mloT`u{Kh<o{Rz$p1C~SO6~o5&$*-e*dBW*Z=GP{r}$o=Kt{jMF1KADF7P)?*AkJo&T2q8~}g-"
    "+5hbS_WuI_`~T$rpZ}}>3jq!P7XaG-"
    "8vxG#t^kk!`2X7fr~e%Q9so1|8UWh=6#&lwIRIS$h5#V|ya4w9F#v}E3jq25w*c?|?f>cj-"
    "2X!W)c+O$*8lkb`v33$6aWSQ=>HM`PXP4)`2X|&MF95yGyoz1N&q?kY5xNN<o`hcT>#quGywMh&;R)U*8l(i!~fs^+5g-"
    "B=Kufymj8+W>;L`#-"
    "T$Zmw*T1w?Eee^%>ds2;{W>pZ~svM^8e2N)c>yk=>O~gKLBR{^#8>FasN*Ld;fm`6#$z5t^e}>Q2@aIwg5Q*697E`IskhB"
    "Hvnq@A^=MOLI5iO836zP831Si4*(eeMgVdEC;)%}5&#bXVgPOc5dZ-I$NxS6EdVzF^Z#K09{?8sCIBA*BLE-"
    "(0{{mACjff@FaVnWlK(IO@Bat@CIEW>w*T<|NB|B11ppHOuK&mXX#n2;;{Ut<BLE)&E&zZ3aQ`9z_Wv{h#{XykI{<9|fB>"
    "5SSpa7M7yzdKGXTo}CIIsPF96a1um4H_p8wwec>s$40RZ*?TmaVp&;A<#bpW#e(*Q{Svj1iPGytsslmL4G3;?(Q%l~HpRs"
    "dH2I{@<k=>PctWdJDv(EnHeG5@9ij{o)lZ2+A97679EL;&XhHUNSEe*iT9!T)Ihi~vsm+5eINwf|B8B>+DFMF8#pEdY`Kr"
    "2ilQMF2bitN&g93jiqp7Xae_)&G(IOaNQ}Z2&$1c>q`cQ2$>5z5k>DyZ`+EB>(0A_W%3;ZU0jL1OO`lwg1%r7y$DB-"
    "2g}b`Ty|$v;Q~%jQ}11r~hvMmj4+4*Z=$f3ILY?+5cDoK>)@8xc_Sa{Qn66CjdbJ=Ko{>-"
    "2X%XH~{ni^#9WTX8`K}MgYJ6SOA#+YX9#4RsiV#I{;AtegIzpr2j$x^8YOW^Z!c#2LNUNBmhzX{{P_r2LRmvH2_8doB%%n"
    "HvqQ)L;vFd9{~IRCIABf_5UXT>How4_5V2l|NlAw+yE8;!2gE;82~Q;ZU2Y>=>N_Cr2z8(-2WZ`U;pd?DgaObg8-"
    "8M^Z&2^3;-7Z005`}I{?=IP5?>(!~c!|@&E1sA^?&A!2c)#3jnnMu>YC>WB|th5&-"
    "}I6#&rxL;(N)2mnO@Qve?TYyUp~(*HaFq5oX~=l?_iC;%V;!~gOBIsh^NtpG~^p8wwe8UP>w9REcCPXBKJ)&C9ve*gpjqX"
    "5+ZtN$<ntN$<nrvIY<?*HNcng68!8UT9#C;-9#5&$s(;r{"
)
"""721 whole numbers of two bytes, in base 85."""
_BYTES = base64.b85decode(WEIGHTS)
MODEL = model_of(np.frombuffer(_BYTES, "<i2").astype(np.int64))
"""The entropy model of all pictures."""
MARK = hashlib.sha256(_BYTES).digest()[0]
"""What a file says of the model that it was written with."""
