namespace FeatureStore.Ingest.DeadLetters;

/// <summary>Why an event becomes a dead letter.</summary>
public enum RejectionReason
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>The value has more bytes than are read.</summary>
    TooLarge,

    /// <summary>The value is no JSON object.</summary>
    MalformedJson,

    /// <summary>A field's value is of another type.</summary>
    WrongType,

    /// <summary>A field of type int64 has a fraction.</summary>
    NotWhole,

    /// <summary>A number or a time is beyond the range of its field's type.</summary>
    OutOfRange,

    /// <summary>A text is longer than a field holds.</summary>
    TextTooLong,

    /// <summary>A text is no timestamp.</summary>
    BadTimestamp,

    /// <summary>The event has no time.</summary>
    MissingTimestamp,

    /// <summary>The event is further behind its partition's newest than the lateness.</summary>
    TooLate,

    /// <summary>The event is further past the wall clock than the source allows.</summary>
    TooFarAhead,

    /// <summary>A join key is missing.</summary>
    KeyMissing,

    /// <summary>An entity's key has more bytes than a key can have.</summary>
    KeyTooLong,

    /// <summary>A cleaning rule says so.</summary>
    Cleaning,

    /// <summary>A model fails on the event.</summary>
    ModelFailure,

    /// <summary>A change of a row does not say what became of it.</summary>
    NoOperation,

    /// <summary>All rows of a table are gone.</summary>
    Truncated,

    /// <summary>An update or a delete does not say, or not wholly, what the row was.</summary>
    MissingBefore,

    /// <summary>A create or an update does not say what the row is.</summary>
    MissingAfter,

    /// <summary>An update or a delete is of an event that may be settled already.</summary>
    LateRetraction,
}

/// <summary>What makes a value no JSON object.</summary>
public enum JsonProblem
{
    None,
    Empty,
    ByteOrderMark,
    NotAnObject,
    EndsEarly,
    NameExpected,
    ColonExpected,
    ValueExpected,
    CommaExpected,
    BadNumber,
    BadEscape,
    LoneSurrogate,
    ControlCharacter,
    InvalidUtf8,
    TooDeep,
    TrailingBytes,
}

/// <summary>Kind of a JSON value.</summary>
public enum JsonKind
{
    Null,
    Bool,
    Number,
    String,
    Object,
    Array,
}
