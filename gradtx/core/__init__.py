"""What a transformation is: values, protocol, numbers, trees. Nothing here knows a particular method."""
