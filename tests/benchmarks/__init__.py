"""Benchmarks: is the selection worth its labels, against every other known rule?"""
