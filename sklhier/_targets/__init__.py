"""Labels in any format to node ids, and back."""
