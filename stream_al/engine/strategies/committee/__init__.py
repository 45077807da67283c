"""Strategies that compare the predictions of several members (`members`): how much do they disagree?"""
