"""Measuring retrieval: does the composed query find what neither the picture nor the words find alone?"""
