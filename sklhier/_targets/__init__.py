"""Labels in any format to node ids, and back."""

from sklhier._targets.encoding import encode
from sklhier.taxonomy._taxonomy import put_encoder

put_encoder(encode)
