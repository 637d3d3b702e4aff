"""The failure lab that users import."""
