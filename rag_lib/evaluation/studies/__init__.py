"""What single controls are worth: negatives, titles, the slider between picture and words."""
