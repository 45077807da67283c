"""The doctor: what is wrong with a stream, its topics, its labels and its model, before a label is paid for.

    findings   one sentence each, which says what to do
    fields     the fields of the samples: types, values, what they look like
    records    the records that can be read and those that cannot, ids, times
    trial      the model, tried on samples; which field it cannot take, and what to write instead
    labels     the labels: classes, ids that match no query
    mismatch   examples whose features the samples do not have
    topics     the topics against what the service needs, and how far its groups have come

Every rule is here, and none of it reads anything: the command `stream-al doctor` and the running service
bring the records. All sizes are bounded, since what is examined may be hostile.
"""
